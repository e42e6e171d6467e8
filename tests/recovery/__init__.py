"""Recovery of pictures from past sessions."""
