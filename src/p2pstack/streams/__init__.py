"""Helpers over anyio byte streams.

===============  ===============================================================
`messages.py`    `Messages`: whole messages, each behind its length
`raw.py`         any anyio byte stream as a `RawStream`
`memory.py`      `memory_pipe`: two `RawStream`s that are each other's ends
===============  ===============================================================
"""

from p2pstack.streams.messages import Messages

__all__ = ["Messages"]
