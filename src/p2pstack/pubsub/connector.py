"""Connects to peers that others named: some at a time, none before what is said of it is checked.

A record counts where the peer that it is about has sealed it: else whoever names a peer could have us call anywhere.

Source: libp2p specs, RFC 0003, and pubsub/gossipsub 1.1, "Peer Exchange".
"""

import logging
from collections import deque

from anyio import fail_after

from p2pstack.abc.events import LimitHit
from p2pstack.abc.host import Host
from p2pstack.errors import P2PError, SecurityError
from p2pstack.identity.envelope import SignedEnvelope
from p2pstack.identity.record import DOMAIN
from p2pstack.pubsub.actions import Connect
from p2pstack.pubsub.config import PubSubConfig
from p2pstack.pubsub.table import PeerTable

__all__ = ["Connector"]

logger = logging.getLogger(__name__)


class Connector:
    """Takes orders, and carries them out in tasks of its own.

    :param table: has the task group where these run
    """

    __slots__ = ("_active", "_config", "_host", "_table", "_waiting")

    def __init__(self, host: Host, config: PubSubConfig, table: PeerTable) -> None:
        self._host = host
        self._config = config
        self._table = table
        self._waiting: deque[Connect] = deque()
        self._active = 0

    def connect(self, order: Connect) -> None:
        """See to it that a peer is connected, if that can be. Synchronous; passed over where too many wait already."""
        limit = self._config.max_pending_connects
        if order.peer == self._host.peer_id or any(order.peer == other.peer for other in self._waiting):
            return
        if len(self._waiting) >= limit:
            self._host.events.emit(LimitHit("peers named by others that wait to be dialled", limit, limit, order.peer))
            return
        self._waiting.append(order)
        if self._active < self._config.max_connects and self._table.tasks is not None:
            self._active += 1
            self._table.tasks.start_soon(self._work, name="pubsub connector")

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._carry_out(self._waiting.popleft())
        finally:
            self._active -= 1

    async def _carry_out(self, order: Connect) -> None:
        host, peer = self._host, order.peer
        if host.connections_to(peer):
            return
        try:
            if order.record is not None:
                envelope = SignedEnvelope.from_bytes(order.record, domain=DOMAIN)
                if envelope.signer != peer:
                    raise SecurityError(f"its record is signed by {envelope.signer}")
                host.peerstore.consume_record(envelope)
            if host.peerstore.addrs(peer):
                with fail_after(self._config.connect_timeout):
                    await host.connect(peer)
        except (P2PError, TimeoutError) as error:
            logger.debug("peer %s, which another one named, was not connected: %s", peer, error)
