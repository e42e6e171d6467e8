"""A picture in the terminal: asked, drawn, and never in the way."""
