"""yamux 1.0: many streams on one connection (libp2p/specs, yamux/README.md).

==================  ====================================================================================
`frames.py`         the 12-byte header
`config.py`         `YamuxConfig`: every limit and interval, with its reason
`window.py`         the receive window of a stream, and how it grows (pure)
`state.py`          `StreamState`: one stream as the session sees it (pure)
`outbox.py`         what waits to be sent, and in which order it goes (pure)
`events.py`         what the session tells
`session.py`        `Session`: bytes in, events out; calls in, bytes out (pure)
`stream.py`         `YamuxStream`: a stream to await on
`connection.py`     `YamuxConnection`: the tasks that move the bytes
`muxer.py`          `Yamux`: what a host is given
==================  ====================================================================================
"""

from p2pstack.muxers.yamux.muxer import Yamux

__all__ = ["Yamux"]
