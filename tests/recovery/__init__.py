"""Past sessions, and the command that gets their pictures back."""
