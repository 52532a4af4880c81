"""Collaboration: one text that many people edit at once, offline too, and that converges."""
