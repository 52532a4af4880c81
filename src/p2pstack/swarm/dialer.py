"""One dial: some addresses in, one connection out.

With a single address left after names are resolved, it is dialled, and that is all. Several race (RFC 8305): the next
one starts when its predecessor has had its head start, or as soon as any of those under way has failed; the first
connection wins, and the others are given up.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from anyio import (
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    Event,
    create_task_group,
    current_time,
    move_on_after,
)
from multiaddr import Multiaddr

from p2pstack.abc.gater import ConnectionGater
from p2pstack.abc.muxer import MuxedConnection
from p2pstack.abc.transport import Endpoints, Transport
from p2pstack.abc.upgrader import Upgrader
from p2pstack.errors import DialError, LocalProtocolError, P2PError, PeerIdMismatch
from p2pstack.identity.address import split_peer
from p2pstack.identity.peer_id import PeerId
from p2pstack.swarm.addresses import rank
from p2pstack.swarm.config import SwarmConfig
from p2pstack.swarm.resolver import Resolver

__all__ = ["Dialer", "discard"]

#: How an attempt may fail without anything being wrong here.
FAILURES = (OSError, P2PError, BrokenResourceError, ClosedResourceError, EndOfStream)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An address without names and without peer id, who is expected there, and how to get there."""

    addr: Multiaddr
    peer: PeerId | None
    transport: Transport


class Dialer:
    """Dials peers over the transports there are."""

    __slots__ = ("_config", "_gater", "_local_peer", "_resolver", "_transports", "_upgrader")

    def __init__(
        self,
        local_peer: PeerId,
        *,
        transports: Sequence[Transport],
        upgrader: Upgrader,
        resolver: Resolver,
        gater: ConnectionGater,
        config: SwarmConfig,
    ) -> None:
        self._local_peer = local_peer
        self._transports = transports
        self._upgrader = upgrader
        self._resolver = resolver
        self._gater = gater
        self._config = config

    async def dial(self, peer: PeerId | None, addrs: Sequence[Multiaddr]) -> tuple[MuxedConnection, Endpoints]:
        """Connect to `peer` at one of `addrs`.

        :param peer: who is expected; None accepts anybody but ourselves
        :param addrs: may hold names, and may end in `/p2p`
        :raises DialError: no address could be reached; with a reason for each
        :raises PeerIdMismatch: the only address tried belongs to another peer
        :raises LocalProtocolError: the peer is ourselves, or no address is of a transport we have
        """
        reasons: dict[str, BaseException] = {}
        if peer is not None and not self._gater.allow_dial_peer(peer):
            raise DialError(f"peer {peer} was not dialled: the connection gater refuses it")
        deadline = current_time() + self._config.dial_peer_timeout
        candidates = self._candidates(peer, await self._resolve(peer, addrs, reasons, deadline), reasons)
        if len(candidates) == 1:
            connected = await self._attempt(candidates[0], reasons, deadline)
        else:
            connected = await self._race(candidates, reasons, deadline)
        if connected is not None:
            return connected
        raise self._failure(peer, reasons, timed_out=current_time() >= deadline)

    def _candidates(
        self, peer: PeerId | None, addrs: Sequence[Multiaddr], reasons: dict[str, BaseException]
    ) -> list[_Candidate]:
        """The addresses to try, the best first. Those that are not say why in `reasons`."""
        expected: dict[Multiaddr, PeerId | None] = {}
        for addr in addrs:
            bare, named = split_peer(addr)
            if peer is not None and named not in (None, peer):
                reasons[str(addr)] = PeerIdMismatch(peer, named)
            else:
                expected.setdefault(bare, peer or named)
        candidates: list[_Candidate] = []
        for addr in rank(expected) if len(expected) > 1 else expected:
            transport = next((transport for transport in self._transports if transport.can_dial(addr)), None)
            if transport is None:
                names = ", ".join(type(transport).__name__ for transport in self._transports) or "none"
                reasons[str(addr)] = LocalProtocolError(f"no transport here dials {addr}; transports: {names}")
            elif not self._gater.allow_dial_addr(peer, addr):
                reasons[str(addr)] = LocalProtocolError(f"the connection gater refuses to dial {addr}")
            else:
                candidates.append(_Candidate(addr, expected[addr], transport))
        return candidates[: self._config.max_dial_addresses]

    async def _resolve(
        self, peer: PeerId | None, addrs: Sequence[Multiaddr], reasons: dict[str, BaseException], deadline: float
    ) -> Sequence[Multiaddr]:
        named = [addr for addr in addrs if self._resolver.has_name(addr)]
        if not named:
            return addrs
        resolved = [addr for addr in addrs if not self._resolver.has_name(addr)]

        async def resolve(addr: Multiaddr) -> None:
            due = self._due(deadline)
            with CancelScope(deadline=due) as scope:
                try:
                    resolved.extend(await self._resolver.resolve(addr, peer=peer or split_peer(addr)[1]))
                except OSError as error:
                    reasons[str(addr)] = error
            if scope.cancelled_caught and due < deadline:
                reasons[str(addr)] = TimeoutError(f"not resolved within {self._config.dial_address_timeout:g} s")

        async with create_task_group() as tasks:
            for addr in named[: self._config.max_dial_addresses]:
                tasks.start_soon(resolve, addr)
        return resolved

    def _due(self, deadline: float) -> float:
        """When to give up what is about to be done for one address."""
        return min(deadline, current_time() + self._config.dial_address_timeout)

    async def _attempt(
        self, candidate: _Candidate, reasons: dict[str, BaseException], deadline: float
    ) -> tuple[MuxedConnection, Endpoints] | None:
        addr, expected = candidate.addr, candidate.peer
        due = self._due(deadline)
        with CancelScope(deadline=due) as scope:
            try:
                connected = await candidate.transport.dial(addr, upgrader=self._upgrader, peer=expected)
            except FAILURES as error:
                reasons[str(addr)] = error
                return None
            muxed = connected[0]
            actual = muxed.remote_peer
            if actual == self._local_peer:
                reasons[str(addr)] = LocalProtocolError(f"{addr} is an address of ourselves: dial another peer")
            elif expected is not None and actual != expected:
                reasons[str(addr)] = PeerIdMismatch(expected, actual)
            else:
                return connected
            await discard(muxed)
            return None
        if scope.cancelled_caught and due < deadline:
            reasons[str(addr)] = TimeoutError(f"no connection within {self._config.dial_address_timeout:g} s")
        return None

    async def _race(
        self, candidates: Sequence[_Candidate], reasons: dict[str, BaseException], deadline: float
    ) -> tuple[MuxedConnection, Endpoints] | None:
        winner: tuple[MuxedConnection, Endpoints] | None = None
        failed = Event()

        async def attempt(candidate: _Candidate) -> None:
            nonlocal winner
            connected = await self._attempt(candidate, reasons, deadline)
            if connected is None:
                failed.set()
            elif winner is None:
                winner = connected
                attempts.cancel_scope.cancel()
            else:
                await discard(connected[0])

        try:
            async with create_task_group() as attempts:
                attempts.cancel_scope.deadline = deadline
                for candidate in candidates:
                    failed = Event()
                    attempts.start_soon(attempt, candidate)
                    with move_on_after(self._config.dial_stagger):
                        await failed.wait()
        except BaseException:
            if winner is not None:
                await discard(winner[0])
            raise
        return winner

    def _failure(self, peer: PeerId | None, reasons: dict[str, BaseException], *, timed_out: bool) -> P2PError:
        if len(reasons) == 1:
            (reason,) = reasons.values()
            if isinstance(reason, PeerIdMismatch | LocalProtocolError):
                return reason
        whom = f"peer {peer}" if peer is not None else "the peer"
        if timed_out:
            seconds = f"{self._config.dial_peer_timeout:g} s"
            return DialError(f"{whom} could not be reached within {seconds}:", reasons=reasons)
        if not reasons:
            return DialError(
                f"no address of {whom} is known: connect to an address such as /ip4/.../tcp/.../p2p/{peer or '...'}, "
                "or add one to the peerstore"
            )
        if all(isinstance(reason, LocalProtocolError) for reason in reasons.values()):
            return LocalProtocolError("\n".join(str(reason) for reason in reasons.values()))
        return DialError(f"{whom} could not be reached:", reasons=reasons)


async def discard(muxed: MuxedConnection) -> None:
    """Close a connection that nobody will use, even while being cancelled."""
    with CancelScope(shield=True), move_on_after(1):
        await muxed.aclose()
