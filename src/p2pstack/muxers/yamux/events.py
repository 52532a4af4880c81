"""What the session tells: that something changed, never the bytes themselves."""

from dataclasses import dataclass
from typing import TypeAlias

from p2pstack.muxers.yamux.state import StreamState

__all__ = ["Event", "SlotFreed", "StreamOpened", "StreamReadable", "StreamWritable"]


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The peer opened a stream."""

    stream: StreamState


@dataclass(frozen=True, slots=True)
class StreamReadable:
    """A stream that had nothing to read has bytes, its end, or a reset. Once a burst, not once a frame."""

    stream: StreamState


@dataclass(frozen=True, slots=True)
class StreamWritable:
    """A stream whose write did not fit has room again, or was reset."""

    stream: StreamState


@dataclass(frozen=True, slots=True)
class SlotFreed:
    """The peer acknowledged or refused a stream: there is room for one more to be opened."""


Event: TypeAlias = StreamOpened | StreamReadable | StreamWritable | SlotFreed
