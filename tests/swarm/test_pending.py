"""Silent strangers take each other's places, not those of others (CVE-2023-23487's class: half-open connections)."""

from p2pstack.abc.events import LimitHit
from p2pstack.swarm.config import SwarmConfig
from p2pstack.swarm.events import Bus
from p2pstack.swarm.pending import PendingInbound


def pending(**limits: int) -> tuple[PendingInbound, Bus]:
    bus = Bus()
    return PendingInbound(SwarmConfig(**limits), bus), bus


async def test_of_a_thousand_arrivals_the_oldest_make_room() -> None:
    upgrades, bus = pending()
    with bus.subscribe(LimitHit, buffer=10_000) as events:
        arrived = [upgrades.add(f"10.{n // 256}.{n % 256}.1") for n in range(1_000)]
        assert len(upgrades) == 128
        assert [entry.scope.cancel_called for entry in arrived] == [True] * 872 + [False] * 128
        first = await anext(events)
        assert (first.scope, first.limit, first.used) == ("inbound connections not yet upgraded", 128, 129)


async def test_one_address_takes_its_own_places_only() -> None:
    upgrades, _ = pending()
    honest = upgrades.add("192.0.2.1")
    arrived = [upgrades.add("192.0.2.2") for _ in range(100)]
    assert len(upgrades) == 9
    assert not honest.scope.cancel_called
    assert [entry.scope.cancel_called for entry in arrived] == [True] * 92 + [False] * 8


async def test_loopback_and_transports_without_address_share_the_places_of_all() -> None:
    upgrades, _ = pending()
    arrived = [upgrades.add(ip) for ip in ("127.0.0.1", "::1", None) for _ in range(40)]
    assert len(upgrades) == 120
    assert not any(entry.scope.cancel_called for entry in arrived)


async def test_what_is_over_makes_room_and_leaves_nothing() -> None:
    upgrades, _ = pending()
    for _ in range(100):
        upgrades.remove(upgrades.add("192.0.2.1"))
    entry = upgrades.add("192.0.2.1")
    for _ in range(8):
        upgrades.add("192.0.2.1")
    assert entry.scope.cancel_called
    upgrades.remove(entry)
    assert len(upgrades) == 8
    assert upgrades._per_ip == {"192.0.2.1": 8}
