"""Helpers over anyio byte streams: adapters and in-memory pipes."""
