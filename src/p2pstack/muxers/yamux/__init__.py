"""yamux 1.0: many streams on one connection (libp2p/specs, yamux/README.md).

==================  ====================================================================================
`frames.py`         the 12-byte header
`config.py`         `YamuxConfig`: every limit and interval, with its reason
`window.py`         the receive window of a stream, and how it grows (pure)
`state.py`          `StreamState`: one stream as the session sees it (pure)
`outbox.py`         what waits to be sent, and in which order it goes (pure)
`events.py`         what the session tells
`liveness.py`       pings: whether the peer is there, and how far away (pure)
`table.py`          the streams of a session, and how many there may be (pure)
`lifecycle.py`      how streams end, and who is told (pure)
`receiver.py`       the half of the session that takes bytes from the peer (pure)
`session.py`        `Session`: bytes in, events out; calls in, bytes out (pure)
`stream.py`         `YamuxStream`: a stream to await on
`connection.py`     `YamuxConnection`: the tasks that move the bytes
`keeper.py`         has a look when something may be overdue
`muxer.py`          `Yamux`: what a host is given
==================  ====================================================================================
"""

from p2pstack.muxers.yamux.muxer import Yamux

__all__ = ["Yamux"]
