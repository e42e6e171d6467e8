"""The bridge with nothing behind it: a stand-in for OpenAI on loopback, a throw-away home, an understudy for Codex."""
