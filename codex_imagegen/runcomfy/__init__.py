"""RunComfy's Model API: the paid route, taken only when asked for, and the only room with a connection."""
