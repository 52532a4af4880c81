"""Transfers: one encoding, one signer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack import KeyType, LocalProtocolError, PrivateKey
from p2pstack.apps.ledger.faults import Invalid
from p2pstack.apps.ledger.transfer import (
    MAX_AMOUNT,
    TRANSFER_SIZE,
    Transfer,
    account_of,
    address_of,
    decode_all,
    encode_all,
)

figures = st.integers(0, MAX_AMOUNT - 1)
accounts = st.binary(min_size=32, max_size=32)
transfers = st.builds(
    Transfer, accounts, accounts, st.integers(1, MAX_AMOUNT - 1), figures, figures, st.binary(min_size=64, max_size=64)
)


@given(st.lists(transfers, max_size=5))
def test_what_is_decoded_is_what_was_encoded(some: list[Transfer]) -> None:
    data = encode_all(some)
    assert len(data) == TRANSFER_SIZE * len(some)
    assert decode_all(data) == tuple(some)
    assert all(Transfer.from_bytes(each.to_bytes()) == each for each in some)


@given(st.binary(max_size=3 * TRANSFER_SIZE))
def test_any_bytes_are_transfers_with_this_very_encoding_or_invalid(data: bytes) -> None:
    try:
        decoded = decode_all(data)
    except Invalid:
        return
    assert encode_all(decoded) == data


@given(data=st.data())
def test_no_bit_can_be_changed(data: Any) -> None:
    key = PrivateKey.generate()
    transfer = Transfer.signed(key, bytes(32), 7, fee=1, number=3, network="test")
    assert transfer.verify("test")
    assert not transfer.verify("other")
    raw = bytearray(transfer.to_bytes())
    bit = data.draw(st.integers(0, 8 * TRANSFER_SIZE - 1))
    raw[bit // 8] ^= 1 << bit % 8
    try:
        changed = Transfer.from_bytes(bytes(raw))
    except Invalid:
        return
    assert changed.id != transfer.id
    assert not changed.verify("test")


def test_bounds_are_told() -> None:
    key = PrivateKey.generate()
    for amount, fee in ((0, 0), (-1, 0), (1, -1), (MAX_AMOUNT, 0), (1, MAX_AMOUNT)):
        with pytest.raises(LocalProtocolError, match="expected an amount"):
            Transfer.signed(key, bytes(32), amount, fee=fee, number=0, network="test")
    with pytest.raises(LocalProtocolError, match="Ed25519"):
        Transfer.signed(PrivateKey.generate(KeyType.ECDSA), bytes(32), 1, fee=0, number=0, network="test")
    with pytest.raises(Invalid, match="152 bytes"):
        Transfer.from_bytes(b"x")
    with pytest.raises(Invalid, match="expected an amount from 1"):
        decode_all(Transfer(bytes(32), bytes(32), 0, 0, 0, bytes(64)).to_bytes())


def test_an_address_is_a_peer_id() -> None:
    key = PrivateKey.generate()
    address = address_of(key.public_key.raw)
    assert address == str(key.peer_id)
    assert account_of(address) == key.public_key.raw
    for wrong in ("nobody", "", str(PrivateKey.generate(KeyType.ECDSA).peer_id)):
        with pytest.raises(LocalProtocolError, match="expected"):
            account_of(wrong)
