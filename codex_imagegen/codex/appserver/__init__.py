"""Codex's app server: JSON-RPC requests about the account, and the deletion of sessions."""
