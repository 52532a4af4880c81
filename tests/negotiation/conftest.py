"""Feeding bytes to an exchange, cut as one likes."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from p2pstack.abc.exchange import Exchange

Feed = Callable[[Exchange[Any], bytes, Sequence[int]], tuple[Any, bytes, bytes]]


@pytest.fixture(scope="session")
def feed() -> Feed:
    """Gives an exchange `data`, cut at `cuts`: its result, all it sent, and its surplus."""

    def feed(exchange: Exchange[Any], data: bytes, cuts: Sequence[int] = ()) -> tuple[Any, bytes, bytes]:
        places = [0, *sorted({cut for cut in cuts if 0 < cut < len(data)}), len(data)]
        sent = exchange.data_to_send()
        result = None
        for start, end in pairwise(places):
            result = exchange.receive_data(data[start:end])
            sent += exchange.data_to_send()
            if result is not None:
                return result, sent, exchange.surplus + data[end:]
        return result, sent, b""

    return feed
