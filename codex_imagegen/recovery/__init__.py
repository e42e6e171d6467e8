"""Pictures that were made before: found in past sessions, decoded whole, and written; nothing is spent."""
