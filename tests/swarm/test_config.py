"""Deadlines and limits are numbers above zero."""

from dataclasses import fields

import pytest

from p2pstack.errors import LocalProtocolError
from p2pstack.swarm.config import SwarmConfig


@pytest.mark.parametrize("name", [field.name for field in fields(SwarmConfig)])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_number_that_is_not_above_zero_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(LocalProtocolError, match=rf"SwarmConfig\.{name}: expected a number above 0, got {value}"):
        SwarmConfig(**{name: value})  # type: ignore[arg-type]


def test_the_defaults_are_those_that_are_documented() -> None:
    config = SwarmConfig()
    assert (config.upgrade_timeout, config.negotiation_timeout) == (10, 10)
    assert (config.dial_address_timeout, config.dial_peer_timeout, config.dial_stagger) == (5, 15, 0.25)
    assert (config.max_pending_inbound, config.max_pending_inbound_per_ip) == (128, 8)
    assert (config.max_connections, config.max_connections_per_peer, config.max_inbound_streams) == (1_000, 8, 256)
