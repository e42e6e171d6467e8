"""The sessions that Codex stores: folders, rollouts, records, and the pictures in them."""
