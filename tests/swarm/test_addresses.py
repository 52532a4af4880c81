"""The nearest address first, and IPv6 and IPv4 in turn."""

from p2pstack.identity.address import Reach, parse_text, reach
from p2pstack.swarm.addresses import rank

ORDER = [
    "/ip6/::1/tcp/1",
    "/ip4/127.0.0.1/tcp/1",
    "/memory/1",
    "/ip6/fd00::1/tcp/1",
    "/ip4/192.168.1.1/tcp/1",
    "/ip6zone/eth0/ip6/fe80::1/tcp/1",
    "/ip4/10.0.0.1/tcp/1",
    "/ip6/2606:4700::1/tcp/1",
    "/ip4/1.1.1.1/tcp/1",
    "/ip4/8.8.8.8/tcp/1",
]


def test_the_order_is_the_same_whatever_order_they_come_in() -> None:
    public_last = [parse_text(text) for text in ORDER]
    kept_within_families = [public_last[n] for n in (8, 4, 9, 1, 3, 0, 6, 7, 2, 5)]
    assert [str(addr) for addr in rank(kept_within_families)] == ORDER


def test_an_address_given_twice_is_tried_once() -> None:
    addr = parse_text("/ip4/1.1.1.1/tcp/1")
    assert rank([addr, addr]) == [addr]


def test_a_name_counts_as_public() -> None:
    assert reach(parse_text("/dns4/example.com/tcp/1")) is Reach.PUBLIC
    assert reach(parse_text("/unix/tmp/x")) is Reach.PUBLIC
