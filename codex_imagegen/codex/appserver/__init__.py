"""Codex's own JSON-RPC server, which answers questions about the account and deletes sessions."""
