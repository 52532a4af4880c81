"""Raw stream in, secure and multiplexed connection out.

Where there is one security protocol to propose, the proposal travels with the first message of its handshake; where
both sides offer their muxers within the handshake, nothing is left to negotiate after it.
"""

from collections.abc import Awaitable, Sequence
from typing import TypeVar

from anyio import BrokenResourceError, CancelScope, ClosedResourceError, EndOfStream

from p2pstack.abc.bytestream import RawStream
from p2pstack.abc.muxer import MuxedConnection, StreamMuxer
from p2pstack.abc.security import SecureChannel, SecureTransport
from p2pstack.abc.upgrader import Upgrader
from p2pstack.errors import LocalProtocolError, NegotiationError, SecurityError
from p2pstack.identity.peer_id import PeerId
from p2pstack.negotiation.dialer import Dialer
from p2pstack.negotiation.select import negotiate_inbound, negotiate_outbound

__all__ = ["ConnectionUpgrader"]

T = TypeVar("T")


class ConnectionUpgrader(Upgrader):
    """Upgrades, and closes what it could not upgrade.

    :param security: the best first
    :param muxers: the best first
    :raises LocalProtocolError: there is none of the one or the other
    """

    __slots__ = ("_muxer_ids", "_muxers", "_security")

    def __init__(self, *, security: Sequence[SecureTransport], muxers: Sequence[StreamMuxer]) -> None:
        if not security or not muxers:
            raise LocalProtocolError("expected at least one security protocol and one muxer")
        self._security = {transport.protocol: transport for transport in security}
        self._muxers = {muxer.protocol: muxer for muxer in muxers}
        self._muxer_ids = tuple(self._muxers)

    async def upgrade_outbound(self, stream: RawStream, *, peer: PeerId | None) -> MuxedConnection:
        return await self._upgrade(stream, self._outbound(stream, peer))

    async def upgrade_inbound(self, stream: RawStream) -> MuxedConnection:
        return await self._upgrade(stream, self._inbound(stream))

    async def _upgrade(self, stream: RawStream, upgrade: Awaitable[T]) -> T:
        done = False
        try:
            result = await upgrade
            done = True
        except EndOfStream as error:
            raise SecurityError("the peer closed the connection during the upgrade") from error
        except (BrokenResourceError, ClosedResourceError) as error:
            raise SecurityError(f"the connection broke during the upgrade: {error}".rstrip(": ")) from error
        finally:
            if not done:
                with CancelScope(shield=True):
                    await stream.aclose()
        return result

    async def _outbound(self, stream: RawStream, peer: PeerId | None) -> MuxedConnection:
        proposal = None
        if len(self._security) == 1:
            (security,) = self._security
            proposal = Dialer((security,))
        else:
            security = await negotiate_outbound(stream, tuple(self._security))
        channel = await self._security[security].secure_outbound(
            stream, peer=peer, muxers=self._muxer_ids, proposal=proposal
        )
        muxer = channel.muxer or await negotiate_outbound(channel, self._muxer_ids)
        return self._multiplexed(channel, security, muxer, initiator=True)

    async def _inbound(self, stream: RawStream) -> MuxedConnection:
        security = await negotiate_inbound(stream, self._security)
        channel = await self._security[security].secure_inbound(stream, muxers=self._muxer_ids)
        muxer = channel.muxer or await negotiate_inbound(channel, self._muxers)
        return self._multiplexed(channel, security, muxer, initiator=False)

    def _multiplexed(self, channel: SecureChannel, security: str, muxer: str, *, initiator: bool) -> MuxedConnection:
        chosen = self._muxers.get(muxer)
        if chosen is None:
            raise NegotiationError(f"the peer chose the muxer {muxer}, which was not offered", proposed=self._muxer_ids)
        return chosen.connection(channel, security=security, initiator=initiator)
