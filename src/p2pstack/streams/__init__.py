"""Helpers over anyio byte streams.

===============  ==================================================================
`framed.py`      `Messages`: whole messages, each behind its length
`raw.py`         any anyio byte stream as a `RawStream`
`loop.py`        which kind of event loop runs
`clock.py`       the event loop's clock, with a fine tick
`flag.py`        what one task waits for
`soon.py`        functions that the event loop calls later; `soon_trio.py` for trio
`memory.py`      `memory_pipe`: two `RawStream`s that are each other's ends
`arrivals.py`    a backlog for connections that are made in this process
===============  ==================================================================
"""

from p2pstack.streams.framed import Messages

__all__ = ["Messages"]
