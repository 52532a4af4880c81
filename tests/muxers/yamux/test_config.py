"""Limits that make no sense are refused when they are given."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from p2pstack.errors import LocalProtocolError
from p2pstack.muxers.yamux import Yamux
from p2pstack.muxers.yamux.config import YamuxConfig


def test_defaults_are_those_of_the_design() -> None:
    config = YamuxConfig()
    assert config.max_window == 16 << 20
    assert (config.max_inbound_streams, config.ack_backlog) == (1_000, 256)
    assert config.max_frame == 65_507
    assert (config.pong_queue, config.write_timeout, config.keepalive_interval) == (32, 10, 30)
    assert config.budget.limit == 256 << 20


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_window", 262_143),
        ("max_window", 1 << 32),
        ("max_inbound_streams", -1),
        ("max_outbound_streams", -1),
        ("ack_backlog", 0),
        ("max_frame", 0),
        ("max_frame", (1 << 20) + 1),
        ("send_buffer", 0),
        ("pong_queue", 0),
        ("control_queue", 0),
        ("keepalive_interval", 0),
        ("write_timeout", -1),
        ("linger", 0),
        ("close_timeout", 0),
    ],
)
def test_refuses_what_cannot_work(name: str, value: Any) -> None:
    with pytest.raises(LocalProtocolError, match=f"{name} is {value}: expected"):
        Yamux(**{name: value})


def test_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Yamux().max_window = 1  # type: ignore[misc]


def test_yamux_is_its_own_configuration() -> None:
    assert Yamux().protocol == "/yamux/1.0.0"
    assert Yamux(max_window=1 << 20).max_window == 1 << 20
