"""What every muxer's connection knows by its secure channel."""

from collections.abc import Callable, Mapping
from typing import Any

from p2pstack.abc.muxer import MuxedConnection
from p2pstack.abc.security import SecureChannel
from p2pstack.identity.keys import PublicKey
from p2pstack.identity.peer_id import PeerId

__all__ = ["OverChannel"]


class OverChannel(MuxedConnection):
    """A connection on a secure channel, which it owns.

    :param security: the protocol of the channel
    """

    __slots__ = ("_channel", "_security")

    def __init__(self, channel: SecureChannel, *, security: str) -> None:
        self._channel = channel
        self._security = security

    @property
    def remote_peer(self) -> PeerId:
        return self._channel.remote_peer

    @property
    def remote_public_key(self) -> PublicKey:
        return self._channel.remote_public_key

    @property
    def security(self) -> str:
        return self._security

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return self._channel.extra_attributes  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
