"""What Codex keeps of its sessions: folders, rollouts, their records, and the pictures in them."""
