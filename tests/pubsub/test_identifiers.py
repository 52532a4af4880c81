"""Message ids, against what other implementations make of the same message."""

from dataclasses import replace
from hashlib import sha256

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.identifiers import data_hash, source_and_sequence, source_text_and_number
from p2pstack.pubsub.message import Message

SOURCE = PeerId.parse("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")
MESSAGE = Message(SOURCE, "t", b"data", bytes.fromhex("18a7000000000102"), b"", SOURCE, b"")


def test_by_default_it_is_author_and_sequence_in_bytes() -> None:
    assert source_and_sequence(MESSAGE) == SOURCE.to_bytes() + bytes.fromhex("18a7000000000102")


def test_rust_libp2p_has_the_same_as_text() -> None:
    expected = b"12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA1776388578020950274"
    assert source_text_and_number(MESSAGE) == expected


def test_the_hash_of_the_data_does_not_depend_on_who_wrote_it() -> None:
    assert data_hash(MESSAGE) == data_hash(replace(MESSAGE, source=None, sequence=None)) == sha256(b"data").digest()


def test_messages_without_author_and_sequence_have_an_id_all_the_same() -> None:
    bare = replace(MESSAGE, source=None, sequence=None)
    assert source_and_sequence(bare) == b""
    # rust-libp2p takes the peer id of no bytes (00 01 00) in place of the author.
    assert source_text_and_number(bare) == b"15R0"
