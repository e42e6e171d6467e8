"""Show a picture in the terminal: detect its graphics protocol, and encode the picture for it."""
