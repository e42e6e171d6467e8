"""RunComfy's Model API: the paid backend, used only on request, and the only package that opens connections."""
