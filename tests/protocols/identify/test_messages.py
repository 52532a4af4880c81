"""A description survives its messages, and what a peer sends in their place is bounded."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack import PrivateKey
from p2pstack.errors import RemoteProtocolError
from p2pstack.identity.address import parse_text
from p2pstack.protocols.identify.messages import MAX_ADDRS, MAX_OWN_MESSAGE, MAX_PROTOCOLS, PeerDescription, encode
from p2pstack.protocols.identify.session import MAX_MESSAGE, MAX_MESSAGES, Reader
from p2pstack.wire import varint
from p2pstack.wire.framing import encode_frame
from p2pstack.wire.pb.identify_pb2 import Identify as Message

KEY = PrivateKey.generate()


def read(data: bytes, cut: int | None = None) -> PeerDescription:
    reader = Reader()
    for piece in (data[:cut], data[cut:]) if cut is not None else (data,):
        reader.receive_data(piece)
    return reader.receive_eof()


def framed(description: PeerDescription) -> bytes:
    return b"".join(map(encode_frame, encode(description)))


addresses = st.integers(0, 2**32 - 1).map(
    lambda n: parse_text(f"/ip4/{n >> 24}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}/tcp/1")
)
descriptions = st.builds(
    PeerDescription,
    public_key=st.sampled_from([None, KEY.public_key]),
    listen_addrs=st.lists(addresses, max_size=40).map(tuple),
    protocols=st.lists(st.text(min_size=1, max_size=200), max_size=40).map(tuple),
    observed_addr=st.none() | addresses,
    protocol_version=st.text(max_size=100),
    agent_version=st.text(max_size=100),
    signed_record=st.none() | st.binary(min_size=1, max_size=4_000),
)


@given(descriptions, st.integers(0, 5_000))
def test_a_description_survives_its_messages_cut_anywhere(description: PeerDescription, cut: int) -> None:
    messages = encode(description)
    assert all(len(message) <= MAX_OWN_MESSAGE for message in messages)
    assert read(framed(description), cut) == description


@given(st.one_of(st.binary(max_size=300), st.lists(st.binary(max_size=60).map(encode_frame)).map(b"".join)))
def test_any_bytes_are_a_description_or_the_peers_fault(data: bytes) -> None:
    try:
        description = read(data)
    except RemoteProtocolError:
        return
    for addr in description.listen_addrs:
        assert str(addr).startswith("/")


def test_a_large_description_has_the_essentials_in_its_first_message() -> None:
    description = PeerDescription(
        public_key=KEY.public_key,
        protocols=tuple(f"/protocol/{n}" for n in range(1_000)),
        agent_version="test/1",
        signed_record=bytes(3_000),
    )
    messages = encode(description)
    assert 1 < len(messages) <= MAX_MESSAGES
    first = PeerDescription.from_message(Message.FromString(messages[0]))
    assert first.public_key == KEY.public_key
    assert first.agent_version == "test/1"
    assert len(first.protocols) > 100


def test_so_many_protocols_are_kept_of_those_in_ten_messages() -> None:
    """go-libp2p #3501: 1,800 protocols by chunked identify."""
    message = Message(protocols=[f"/{n}" for n in range(200)]).SerializeToString()
    description = read(encode_frame(message) * 10)
    assert len(description.protocols) == MAX_PROTOCOLS
    assert description.dropped == description.excess == 2_000 - MAX_PROTOCOLS


def test_so_many_addresses_are_kept() -> None:
    """go-libp2p #3486: addresses without bound."""
    message = Message(listen_addrs=[parse_text("/memory/1").to_bytes()] * 100).SerializeToString()
    description = read(encode_frame(message) * 10)
    assert len(description.listen_addrs) == MAX_ADDRS
    assert description.dropped == description.excess == 1_000 - MAX_ADDRS


def test_malformed_addresses_and_empty_protocols_are_left_out_and_counted() -> None:
    good = parse_text("/memory/1")
    message = Message(
        listen_addrs=[b"", b"\xff" * 20, b"\x04\x01", good.to_bytes()], protocols=["", "/a/1"], observed_addr=b"\xff"
    )
    description = PeerDescription.from_message(message)
    assert description.listen_addrs == (good,)
    assert description.protocols == ("/a/1",)
    assert description.observed_addr is None
    assert description.dropped == 4
    assert description.excess == 0


def test_versions_are_kept_short() -> None:
    message = Message(agent_version="x" * 8_000, protocol_version="y" * 8_000)
    description = PeerDescription.from_message(message)
    assert description.agent_version == "x" * 256
    assert description.protocol_version == "y" * 256


def test_later_messages_add_to_lists_and_replace_the_rest() -> None:
    first = Message(protocols=["/a/1"], agent_version="old").SerializeToString()
    second = Message(protocols=["/b/1"], agent_version="new").SerializeToString()
    description = read(encode_frame(first) + encode_frame(second))
    assert description.protocols == ("/a/1", "/b/1")
    assert description.agent_version == "new"


BIG = Message(agent_version="x" * (MAX_MESSAGE - 3)).SerializeToString()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "expected a message, got the end of the stream 0 bytes into it"),
        (b"\x05abc", "got the end of the stream . bytes into it"),
        (varint.encode(MAX_MESSAGE + 1), "expected at most 8192 bytes"),
        (b"\x80" * 10, "varint"),
        (encode_frame(b"") * (MAX_MESSAGES + 1), "expected at most 10 messages, got more"),
        (encode_frame(b"\xff\xff"), "expected a protobuf message"),
        (encode_frame(Message(public_key=b"junk").SerializeToString()), "public key"),
        # A key whose DER says it is longer than there is (CVE-2026-110789).
        (
            encode_frame(Message(public_key=b"\x08\x00\x12\x06\x30\x84\x7f\xff\xff\xff").SerializeToString()),
            "key",
        ),
    ],
)
def test_what_is_no_description_is_the_peers_fault(data: bytes, text: str) -> None:
    with pytest.raises(RemoteProtocolError, match=text):
        read(data)


def test_the_largest_message_is_read() -> None:
    assert len(BIG) == MAX_MESSAGE
    assert read(encode_frame(BIG)).agent_version == "x" * 256


def test_ten_messages_of_the_largest_size_are_read() -> None:
    description: Any = read(encode_frame(BIG) * MAX_MESSAGES)
    assert description.agent_version
