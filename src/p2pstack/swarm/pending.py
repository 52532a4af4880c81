"""What has arrived and is not upgraded yet: bounded, so that silent strangers cannot fill the host.

One that takes too long is cancelled. Where there are too many, the oldest makes room for the newest: an honest peer is
upgraded within some round trips, a silent one gets ever older.
"""

from collections import Counter

from anyio import CancelScope, current_time

from p2pstack.abc.events import EventBus, LimitHit
from p2pstack.swarm.config import SwarmConfig

__all__ = ["Pending", "PendingInbound"]


class Pending:
    """One upgrade under way."""

    __slots__ = ("ip", "scope")

    def __init__(self, ip: str | None, *, deadline: float) -> None:
        #: counted under this address; None is counted under none
        self.ip = ip
        #: what the upgrade runs in
        self.scope = CancelScope(deadline=deadline)


class PendingInbound:
    """The upgrades under way, oldest first."""

    __slots__ = ("_bus", "_config", "_per_ip", "_under_way")

    def __init__(self, config: SwarmConfig, bus: EventBus) -> None:
        self._config = config
        self._bus = bus
        self._under_way: dict[Pending, None] = {}
        self._per_ip: Counter[str] = Counter()

    def add(self, ip: str | None) -> Pending:
        """Enter an upgrade; cancels the oldest, of the same address or of all, where there are too many."""
        if ip is not None and (ip.startswith("127.") or ip == "::1"):
            ip = None
        per_ip, in_all = self._config.max_pending_inbound_per_ip, self._config.max_pending_inbound
        if ip is not None and self._per_ip[ip] >= per_ip:
            self._drop_oldest("inbound connections not yet upgraded, of one IP address", per_ip, ip)
        if len(self._under_way) >= in_all:
            self._drop_oldest("inbound connections not yet upgraded", in_all, None)
        pending = Pending(ip, deadline=current_time() + self._config.upgrade_timeout)
        self._under_way[pending] = None
        if ip is not None:
            self._per_ip[ip] += 1
        return pending

    def remove(self, pending: Pending) -> None:
        """Take out an upgrade that is over, if it was not dropped."""
        if pending in self._under_way:
            del self._under_way[pending]
            if pending.ip is not None:
                self._per_ip[pending.ip] -= 1
                if not self._per_ip[pending.ip]:
                    del self._per_ip[pending.ip]

    def __len__(self) -> int:
        return len(self._under_way)

    def _drop_oldest(self, scope: str, limit: int, ip: str | None) -> None:
        oldest = next(pending for pending in self._under_way if ip in (None, pending.ip))
        self.remove(oldest)
        oldest.scope.cancel()
        self._bus.emit(LimitHit(scope, limit, limit + 1))
