"""Knowing others who do the same: from one address to as many connections as are wanted, and to others when those go.

Each node of a network (a name that its members share) answers one question: who else is there? The answer is a few of
the members that it is connected to, each by its signed peer record, so that nobody can say of another where it is.

==================================  ===================================================================================
too few members are connected       call those that are known; where all have been called, ask a member for others
no bootstrap address is connected   call them again, also when there are enough members: two halves of a network that
                                    know nothing of each other meet there
a call fails                        not called again for a second, then for two, four, ... up to `patience`
a member connects                   nothing: it counts as soon as identify has told that it speaks this protocol
==================================  ===================================================================================

Wire: the answerer sends at most `MAX_ANSWER` messages, each behind its length as an unsigned varint and a sealed
envelope with a peer record (libp2p specs, RFC 0002 and 0003), and closes the stream. Nothing is sent to ask.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from anyio import create_task_group, current_time, fail_after, move_on_after
from anyio.abc import TaskStatus

from p2pstack.abc.connection import Stream
from p2pstack.abc.events import PeerDisconnected, PeerIdentified
from p2pstack.abc.host import Host, Target
from p2pstack.errors import LocalProtocolError, P2PError
from p2pstack.identity.envelope import SignedEnvelope
from p2pstack.identity.peer_id import PeerId
from p2pstack.identity.record import DOMAIN
from p2pstack.streams.framed import Messages

__all__ = ["MAX_ANSWER", "MAX_RECORD", "Neighbours"]

logger = logging.getLogger(__name__)

#: peers in one answer
MAX_ANSWER = 16
#: bytes of one sealed record
MAX_RECORD = 8_192
#: peers heard of and not connected, that are remembered
_MAX_KNOWN = 256
#: calls at a time
_MAX_CALLS = 4
#: seconds for one question and its answer, and for one call
_DEADLINE = 10.0


@dataclass(slots=True)
class _Known:
    """Somebody to call."""

    target: Target
    peer: PeerId | None
    due: float = 0.0
    delay: float = 1.0


class Neighbours:
    """Keeps a host connected to members of a network. A service.

    :param bootstrap: addresses of members that are always there, or often: `/ip4/.../tcp/.../p2p/...`
    :param network: what its members have in common, part of the protocol's name
    :param wanted: members to be connected to; others may connect to us beyond these
    :param interval: seconds between two questions for others while there are too few
    :param patience: seconds at most between two calls of somebody that cannot be reached
    """

    def __init__(
        self,
        bootstrap: Sequence[str] = (),
        *,
        network: str,
        wanted: int = 8,
        interval: float = 5.0,
        patience: float = 60.0,
    ) -> None:
        if not network or wanted < 1 or interval <= 0 or patience < 1:
            raise LocalProtocolError(
                "Neighbours: expected a name of a network, wanted from 1, interval above 0 and patience from 1"
            )
        self.protocol = f"/p2pstack/neighbours/{network}/1.0.0"
        #: why each bootstrap address could not be reached when it was called last
        self.failures: dict[str, str] = {}
        self._bootstrap = {addr: _Known(addr, None) for addr in bootstrap}
        self._known: dict[PeerId, _Known] = {}
        self._wanted = wanted
        self._interval = interval
        self._patience = patience
        self._host: Host | None = None

    @property
    def connected(self) -> Sequence[PeerId]:
        """The members connected now."""
        host = self._host
        if host is None:
            return ()
        return [peer for peer in host.peers if self.protocol in host.peerstore.protocols(peer)]

    async def run(self, host: Host, *, task_status: TaskStatus[None]) -> None:
        self._host = host
        host.handle(self.protocol, handler=self._answer, max_streams_per_peer=1)
        with host.events.subscribe(PeerIdentified, PeerDisconnected) as events:
            task_status.started()
            asked_at = -self._interval
            while True:
                await self._call(host, self._to_call(host))
                members = self.connected
                if len(members) < self._wanted and members and current_time() - asked_at >= self._interval:
                    asked_at = current_time()
                    if await self._ask(host, host.random.choice(members)):
                        continue
                # What happens may be a reason to look again, and so is time: somebody may be due.
                with move_on_after(self._interval * host.random.uniform(0.5, 1.0)):
                    await anext(events)

    def _to_call(self, host: Host) -> Sequence[_Known]:
        """Who should be called now."""
        now = current_time()
        connected = set(host.peers)
        calls = [known for known in self._bootstrap.values() if known.peer not in connected]
        missing = self._wanted - len(self.connected)
        if missing > 0:
            others = [known for peer, known in self._known.items() if peer not in connected and known.due <= now]
            calls += host.random.sample(others, min(missing, len(others)))
        return [known for known in calls if known.due <= now]

    async def _call(self, host: Host, calls: Sequence[_Known]) -> None:
        waiting = list(calls)

        async def work() -> None:
            while waiting:
                await self._connect(host, waiting.pop())

        async with create_task_group() as tasks:
            for _ in range(min(_MAX_CALLS, len(waiting))):
                tasks.start_soon(work)

    async def _connect(self, host: Host, known: _Known) -> None:
        addr = known.target if isinstance(known.target, str) else None
        try:
            with fail_after(_DEADLINE):
                connection = await host.connect(known.target)
        except (P2PError, TimeoutError) as error:
            known.due = current_time() + known.delay
            known.delay = min(2 * known.delay, self._patience)
            if addr is not None:
                self.failures[addr] = str(error) or "no answer"
            elif known.delay >= self._patience and known.peer is not None:
                self._known.pop(known.peer, None)
            logger.debug("%s could not be called: %s", known.target, error)
        else:
            known.peer = connection.remote_peer
            known.due, known.delay = current_time() + 1.0, 1.0
            if addr is not None:
                self.failures.pop(addr, None)

    async def _ask(self, host: Host, member: PeerId) -> bool:
        """Ask a member for others; whether it knew any that we did not."""
        learnt = False
        try:
            with fail_after(_DEADLINE):
                async with await host.open_stream(member, self.protocol) as stream:
                    messages = Messages(stream, limit=MAX_RECORD, what="peer record")
                    for _ in range(MAX_ANSWER):
                        envelope = SignedEnvelope.from_bytes(await anext(messages), domain=DOMAIN)
                        learnt |= self._learn(host, envelope)
        except StopAsyncIteration:
            pass
        except (P2PError, TimeoutError) as error:
            logger.debug("%s did not say who else is there: %s", member, error)
        return learnt

    def _learn(self, host: Host, envelope: SignedEnvelope) -> bool:
        """Take a record.

        :raises SecurityError: it is not about the peer that signed it
        """
        peer = envelope.signer
        if peer == host.peer_id:
            return False
        host.peerstore.consume_record(envelope)
        if peer in self._known:
            return False
        if len(self._known) >= _MAX_KNOWN:
            self._known.pop(next(iter(self._known)))
        self._known[peer] = _Known(peer, peer)
        return peer not in host.peers

    async def _answer(self, stream: Stream) -> None:
        host = self._host
        assert host is not None  # it was here that the handler was registered
        others = [peer for peer in self.connected if peer != stream.remote_peer]
        messages = Messages(stream, limit=MAX_RECORD)
        with fail_after(_DEADLINE):
            for peer in host.random.sample(others, min(MAX_ANSWER, len(others))):
                record = host.peerstore.record(peer)
                if record is not None:
                    await messages.send(record.to_bytes())
