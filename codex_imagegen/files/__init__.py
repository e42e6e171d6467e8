"""File operations that every room shares: atomic writes, contained folders, safe opening, lock tests."""
