"""Pictures as bytes: found by their magic, decoded whole, and written without loss. Blind to who made them."""
