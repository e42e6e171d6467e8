"""File operations that every room shares: atomic writes, folders that paths must not leave, safe opening."""
