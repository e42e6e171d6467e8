"""Pictures as bytes: recognized by their first bytes, decoded completely, converted, reduced and written."""
