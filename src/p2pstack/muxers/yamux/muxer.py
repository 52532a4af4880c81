"""`Yamux`: what a host is given."""

from dataclasses import dataclass

from p2pstack.abc.muxer import StreamMuxer
from p2pstack.abc.security import SecureChannel
from p2pstack.muxers.yamux.config import YamuxConfig
from p2pstack.muxers.yamux.connection import YamuxConnection

__all__ = ["Yamux"]


@dataclass(frozen=True, kw_only=True)
class Yamux(YamuxConfig, StreamMuxer):
    """The yamux muxer. Its parameters are those of `YamuxConfig`: `Yamux(max_window=1 << 20)`."""

    @property
    def protocol(self) -> str:
        return "/yamux/1.0.0"

    def connection(self, channel: SecureChannel, *, security: str, initiator: bool) -> YamuxConnection:
        return YamuxConnection(channel, self, security=security, initiator=initiator)
