"""Secure channels: `noise/`, and `plaintext/` for tests. Neither knows of the other."""
