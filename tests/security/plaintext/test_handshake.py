"""The exchange, without I/O."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import PeerIdMismatch, RemoteProtocolError, SecurityError
from p2pstack.security.plaintext.handshake import Handshake
from p2pstack.security.plaintext.messages import encode


def test_both_speak_at_once_and_know_each_other(alice, bob) -> None:
    here, there = Handshake(alice.public_key), Handshake(bob.public_key, expected=alice.peer_id)
    assert here.receive_data(there.data_to_send()) == bob.public_key
    assert there.receive_data(here.data_to_send()) == alice.public_key
    assert here.data_to_send() == b""


def test_another_peer_than_the_expected_is_refused(alice, bob, mallory) -> None:
    with pytest.raises(PeerIdMismatch) as caught:
        Handshake(alice.public_key, expected=bob.peer_id).receive_data(encode(mallory.public_key))
    assert caught.value.actual == mallory.peer_id


def test_a_byte_at_a_time_is_the_same_as_all_at_once(alice, bob) -> None:
    here = Handshake(alice.public_key)
    message = encode(bob.public_key)
    results = [here.receive_data(message[place : place + 1]) for place in range(len(message))]
    assert results == [None] * (len(message) - 1) + [bob.public_key]


def test_bytes_behind_the_message_are_surplus(alice, bob) -> None:
    here = Handshake(alice.public_key)
    assert here.receive_data(encode(bob.public_key) + b"data") == bob.public_key
    assert here.surplus == b"data"


def test_a_long_message_is_refused_by_its_length(alice) -> None:
    """GHSA-xqvc-92cf-94j4."""
    for length in (b"\x81\x20", b"\x80\x80\x80\x80\x10", b"\x80" * 9):
        with pytest.raises(RemoteProtocolError):
            Handshake(alice.public_key).receive_data(length)


def test_the_end_of_the_stream_is_an_error(alice) -> None:
    with pytest.raises(SecurityError, match="end of the stream"):
        Handshake(alice.public_key).receive_eof()


@given(parts=st.lists(st.binary(max_size=60)))
def test_any_bytes_end_in_an_error_of_its_kind_or_in_nothing(alice, parts: list[bytes]) -> None:
    handshake = Handshake(alice.public_key)
    with suppress(SecurityError, RemoteProtocolError):
        for part in parts:
            assert handshake.receive_data(part) is None
