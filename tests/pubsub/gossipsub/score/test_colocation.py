"""How many share an address."""

from ipaddress import ip_network

import pytest

from p2pstack.pubsub.gossipsub.score.colocation import Colocation
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig


@pytest.fixture
def colocation() -> Colocation:
    return Colocation(1, ScoreConfig().exempt_networks)


def test_those_who_share_an_address_pay_by_the_square_of_who_is_too_many(colocation: Colocation) -> None:
    alone = colocation.move(None, "1.2.3.4")
    together = {colocation.move(None, "2.3.4.5") for _ in range(4)}
    assert len(together) == 1
    assert colocation.factor(alone) == 0.0
    assert colocation.factor(together.pop()) == 9.0


def test_an_address_that_is_left_counts_less(colocation: Colocation) -> None:
    (group,) = {colocation.move(None, "2.3.4.5") for _ in range(3)}
    assert colocation.factor(group) == 4.0
    assert colocation.move(group, None) is None
    assert colocation.factor(group) == 1.0
    elsewhere = colocation.move(group, "3.4.5.6")
    assert elsewhere != group
    assert (colocation.factor(group), colocation.factor(elsewhere)) == (0.0, 0.0)


def test_of_ipv6_a_network_of_64_bits_is_one_address(colocation: Colocation) -> None:
    group = [colocation.move(None, ip) for ip in ("2001:db8::1", "2001:db8::2:3")]
    assert group[0] == group[1]
    assert colocation.move(None, "2001:db8:0:1::1") != group[0]
    assert colocation.factor(group[0]) == 1.0


def test_an_ipv4_address_in_an_ipv6_one_is_that_ipv4_address(colocation: Colocation) -> None:
    assert colocation.move(None, "::ffff:8.8.8.8") == colocation.move(None, "8.8.8.8")


@pytest.mark.parametrize(
    "ip",
    [None, "127.0.0.1", "10.1.2.3", "192.168.1.1", "172.20.0.1", "::1", "fe80::1%eth0", "::ffff:127.0.0.1", "here"],
)
def test_local_addresses_and_what_is_none_count_for_nothing(colocation: Colocation, ip: str | None) -> None:
    (group,) = {colocation.move(None, ip) for _ in range(5)}
    assert group is None
    assert colocation.factor(group) == 0.0


def test_a_network_that_is_exempt_counts_for_nothing_and_others_do() -> None:
    colocation = Colocation(1, [ip_network("2.3.0.0/16")])
    assert colocation.move(None, "2.3.4.5") is None
    assert colocation.move(None, "127.0.0.1") is not None
