"""Messages behind two bytes of length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import RemoteProtocolError
from p2pstack.security.noise.frames import MAX_HANDSHAKE_MESSAGE, MAX_PLAINTEXT, HandshakeDecoder, encode


def test_the_length_is_big_endian() -> None:
    assert encode(b"x" * 0x0123)[:3] == b"\x01\x23x"


def test_a_record_carries_what_the_specification_says() -> None:
    assert MAX_PLAINTEXT == 65_519


@given(messages=st.lists(st.binary(max_size=300), max_size=5), rest=st.binary(max_size=1), data=st.data())
def test_messages_come_out_as_they_went_in_however_they_are_cut(messages: list[bytes], rest: bytes, data) -> None:
    wire = b"".join(map(encode, messages)) + rest
    decoder = HandshakeDecoder()
    received: list[bytes] = []
    while wire:
        cut = data.draw(st.integers(1, len(wire)))
        decoder.receive_data(wire[:cut])
        wire = wire[cut:]
        while (message := decoder.next_message()) is not None:
            received.append(message)
    assert received == messages
    assert decoder.surplus == rest


def test_a_long_handshake_message_is_refused_by_its_length() -> None:
    decoder = HandshakeDecoder()
    decoder.receive_data(b"\x40")
    assert decoder.next_message() is None
    decoder.receive_data(b"\x01")
    with pytest.raises(RemoteProtocolError, match="at most 16384 bytes, got one of 16385"):
        decoder.next_message()
    decoder = HandshakeDecoder()
    decoder.receive_data(encode(bytes(MAX_HANDSHAKE_MESSAGE)))
    assert decoder.next_message() == bytes(MAX_HANDSHAKE_MESSAGE)
