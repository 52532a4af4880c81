"""Blocks: one encoding, and an id that is work."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.apps.ledger.block import HEADER_SIZE, Block, Header, has_work, search
from p2pstack.apps.ledger.faults import Invalid
from p2pstack.apps.ledger.ledger import Ledger

from .scene import Scene

ids = st.binary(min_size=32, max_size=32)
u64 = st.integers(0, (1 << 64) - 1)
headers = st.builds(Header, st.integers(0, (1 << 32) - 1), ids, ids, ids, u64, st.integers(1, 50), u64)


@given(headers)
def test_a_header_has_one_encoding(header: Header) -> None:
    assert Header.from_bytes(header.to_bytes()) == header
    assert len(header.to_bytes()) == HEADER_SIZE


@given(st.binary(max_size=2 * HEADER_SIZE) | st.binary(min_size=HEADER_SIZE, max_size=HEADER_SIZE))
def test_any_bytes_are_a_header_with_this_very_encoding_or_invalid(data: bytes) -> None:
    try:
        header = Header.from_bytes(data)
    except Invalid:
        return
    assert header.to_bytes() == data


@given(headers)
def test_a_search_finds_what_counts_as_work(header: Header) -> None:
    nonce = search(header, 0, 2_000)
    assert nonce is not None
    found = header._replace(nonce=nonce)
    assert has_work(found, found.id)
    assert int.from_bytes(found.id, "big") * header.difficulty < 1 << 256
    assert search(header, 0, nonce) is None
    assert search(header, nonce, 1) == nonce


def test_a_block_is_bound_to_its_transfers(scene: Scene) -> None:
    ledger = Ledger(scene.rules)
    block = scene.make(ledger, scene.pay(0, 1, 5), scene.pay(0, 1, 6, number=1))
    data = block.to_bytes()
    assert Block.from_bytes(data, max_transfers=2) == block
    for wrong, limit in (
        (data[:-1], 2),
        (data[:-152], 2),
        (data, 1),
        (data[: HEADER_SIZE - 1], 2),
        (b"\2" + data[1:], 2),
    ):
        with pytest.raises(Invalid):
            Block.from_bytes(wrong, max_transfers=limit)
