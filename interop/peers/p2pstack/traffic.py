"""Counts what a node of ours is told and tells."""

from collections.abc import Callable, Sequence
from typing import Any, cast

from p2pstack import GossipSub
from p2pstack.abc.host import Host
from p2pstack.pubsub.actions import Forward, Send
from p2pstack.pubsub.admission import Admission
from p2pstack.pubsub.events import Duplicate
from p2pstack.pubsub.filter import SubscriptionFilter
from p2pstack.pubsub.router import Router
from p2pstack.pubsub.rpc import RPC

__all__ = ["TracedGossipSub", "Traffic"]


def said() -> dict[str, int]:
    return dict.fromkeys(("messages", "ihave", "iwant", "idontwant", "graft", "prune", "partial"), 0)


class Traffic:
    """Messages, the ids in IHAVE, IWANT and IDONTWANT, and the topics in GRAFT and PRUNE."""

    def __init__(self) -> None:
        self.sent, self.received = said(), said()
        self.duplicates = 0
        self.protocols: dict[str, str] = {}

    def told(self) -> dict[str, Any]:
        counts = {"sent": self.sent, "received": self.received, "duplicates": self.duplicates}
        return {**counts, "protocols": self.protocols}


def count(counts: dict[str, int], rpc: RPC) -> None:
    counts["messages"] += len(rpc.messages)
    for name in ("ihave", "iwant", "idontwant"):
        counts[name] += sum(len(control.ids) for control in getattr(rpc, name))
    for name in ("graft", "prune"):
        counts[name] += len(getattr(rpc, name))
    counts["partial"] += rpc.partial is not None


class TracedRouter:
    """A router, with all that goes in and out counted."""

    def __init__(self, router: Router, traffic: Traffic) -> None:
        self._router = router
        self._traffic = traffic

    def __getattr__(self, name: str) -> Any:
        part = getattr(self._router, name)
        return self._traced(part) if callable(part) else part

    def _traced(self, method: Callable[..., Any]) -> Callable[..., Any]:
        traffic = self._traffic

        def call(*args: Any, **options: Any) -> Any:
            if method.__name__ == "receive":
                count(traffic.received, args[1])
            elif method.__name__ == "add_peer":
                traffic.protocols[str(args[0])] = args[1].protocol
            elif method.__name__ == "remove_peer":
                traffic.protocols.pop(str(args[0]), None)
            result: Any = method(*args, **options)
            if isinstance(result, list | tuple):
                self._count_actions(cast("Sequence[Any]", result))
            return cast("Any", result)

        return call

    def _count_actions(self, actions: Sequence[Any]) -> None:
        for action in actions:
            if isinstance(action, Send):
                count(self._traffic.sent, action.rpc)
            elif isinstance(action, Forward):
                self._traffic.sent["messages"] += len(action.peers)
            elif isinstance(action, Duplicate):
                self._traffic.duplicates += 1


class TracedGossipSub(GossipSub):
    """Gossipsub that counts what is said."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.traffic = Traffic()

    @property
    def _router(self) -> Any:
        return self._driver.router

    def _make_router(self, host: Host, admission: Admission, subscription_filter: SubscriptionFilter) -> Any:
        return TracedRouter(super()._make_router(host, admission, subscription_filter), self.traffic)
