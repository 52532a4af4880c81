"""Signatures on messages: the four policies, the four kinds of key, and all that can be wrong."""

from dataclasses import replace
from typing import Any

import pytest

from p2pstack.errors import LimitExceeded, LocalProtocolError
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.codec import decode
from p2pstack.pubsub.fields import encode_field
from p2pstack.pubsub.rpc import RawMessage
from p2pstack.pubsub.signing import Author, KeyRing, SigningPolicy

STRICT_SIGN, STRICT_NO_SIGN, LAX_SIGN, LAX_NO_SIGN = SigningPolicy

KEYS = {kind: PrivateKey.generate(kind) for kind in ("ed25519", "secp256k1", "ecdsa", "rsa")}
KEY = KEYS["ed25519"]
OTHER = PrivateKey.generate()


def author(policy: SigningPolicy = STRICT_SIGN, key: PrivateKey = KEY, **options: Any) -> Author:
    return Author(key, policy, first_sequence=7, **options)


def arrived(raw: RawMessage) -> RawMessage:
    """What a peer makes of a message."""
    (message,) = decode(encode_field(b"\x12", raw.encoded)).messages
    return message


def verify(raw: RawMessage, key: PrivateKey = KEY) -> str | None:
    return KeyRing().verify(arrived(raw), key.peer_id)


def sealed(signer: PrivateKey, **fields: bytes) -> RawMessage:
    """A message with these fields, whatever they are, and a signature of `signer`."""
    numbers = {"source": b"\x0a", "data": b"\x12", "sequence": b"\x1a", "topic": b"\x22"}
    body = b"".join(encode_field(numbers[name], fields[name]) for name in numbers if name in fields)
    encoded = body + encode_field(b"\x2a", signer.sign(b"libp2p-pubsub:" + body))
    if "key" in fields:
        encoded += encode_field(b"\x32", fields["key"])
    return decode(encode_field(b"\x12", encoded)).messages[0]


@pytest.mark.parametrize("kind", KEYS)
def test_a_signed_message_holds_for_whoever_gets_it(kind: str) -> None:
    key = KEYS[kind]
    raw = author(key=key).write("t", b"data")
    assert arrived(raw) == raw
    assert (raw.source, raw.sequence, raw.topic, raw.data) == (key.peer_id.to_bytes(), bytes(7) + b"\x07", "t", b"data")
    assert STRICT_SIGN.check(raw) is None
    assert verify(raw, key) is None


@pytest.mark.parametrize("kind", KEYS)
def test_the_key_comes_along_only_where_the_peer_id_does_not_hold_it(kind: str) -> None:
    raw = author(key=KEYS[kind]).write("t", b"data")
    assert raw.key == (None if kind in ("ed25519", "secp256k1") else KEYS[kind].public_key.to_protobuf())


def test_sequence_numbers_go_up_from_the_first_and_wrap() -> None:
    numbers = [int.from_bytes(raw.sequence or b"", "big") for raw in map(author().write, "ttt", [b""] * 3)]
    assert numbers == [7, 8, 9]
    last = Author(KEY, STRICT_SIGN, first_sequence=2**64 - 1)
    assert [last.write("t", b"").sequence for _ in range(2)] == [b"\xff" * 8, bytes(8)]


@pytest.mark.parametrize("policy", [STRICT_NO_SIGN, LAX_NO_SIGN])
def test_who_does_not_sign_writes_topic_and_data_only(policy: SigningPolicy) -> None:
    raw = author(policy).write("t", b"data")
    assert raw.encoded == bytes.fromhex("12046461746122 0174".replace(" ", ""))
    assert (raw.source, raw.sequence, raw.signature, raw.key, raw.signed) == (None, None, None, None, b"")
    assert arrived(raw) == raw
    assert policy.check(raw) is None


def test_data_that_changes_later_was_not_published() -> None:
    data = bytearray(b"data")
    raw = author().write("t", data)
    data[:] = b"XXXX"
    assert arrived(raw).data == raw.data == b"data"
    assert verify(raw) is None


def test_a_message_too_large_for_an_rpc_is_refused_before_it_is_published() -> None:
    writer = author(max_size=1_000)
    fits = next(n for n in range(1_000, 0, -1) if not raises(writer, n))
    assert len(encode_field(b"\x12", writer.write("t", bytes(fits)).encoded)) <= 1_000
    with pytest.raises(LimitExceeded, match="publish it in parts"):
        writer.write("t", bytes(fits + 1))


def raises(writer: Author, size: int) -> bool:
    try:
        writer.write("t", bytes(size))
    except LimitExceeded:
        return True
    return False


def test_nothing_is_published_to_no_topic() -> None:
    with pytest.raises(LocalProtocolError, match="expected a topic"):
        author().write("", b"data")


SIGNED = author().write("t", b"data")
BARE = author(STRICT_NO_SIGN).write("t", b"data")


@pytest.mark.parametrize(
    ("policy", "raw", "reason"),
    [
        (STRICT_SIGN, SIGNED, None),
        (STRICT_SIGN, BARE, "it has no signature"),
        (STRICT_SIGN, replace(SIGNED, source=None), "a signature and no author"),
        (STRICT_SIGN, replace(SIGNED, sequence=None), "no sequence number of 8 bytes"),
        (STRICT_SIGN, replace(SIGNED, sequence=bytes(7)), "no sequence number of 8 bytes"),
        (STRICT_SIGN, replace(SIGNED, sequence=bytes(9)), "no sequence number of 8 bytes"),
        (STRICT_NO_SIGN, BARE, None),
        (STRICT_NO_SIGN, SIGNED, "which this network has not"),
        # Fields that are there and empty are there.
        (STRICT_NO_SIGN, replace(BARE, signature=b""), "which this network has not"),
        (STRICT_NO_SIGN, replace(BARE, source=b""), "which this network has not"),
        (STRICT_NO_SIGN, replace(BARE, sequence=b""), "which this network has not"),
        (STRICT_NO_SIGN, replace(BARE, key=b""), "which this network has not"),
        (LAX_SIGN, SIGNED, None),
        (LAX_SIGN, BARE, None),
        (LAX_SIGN, replace(SIGNED, source=None), "a signature and no author"),
        (LAX_SIGN, replace(BARE, source=SIGNED.source, sequence=b"1"), None),
        (LAX_NO_SIGN, SIGNED, None),
        (LAX_NO_SIGN, BARE, None),
        (LAX_NO_SIGN, replace(SIGNED, source=None), "a signature and no author"),
        *((policy, replace(raw, topic=""), "no topic") for policy in SigningPolicy for raw in (SIGNED, BARE)),
    ],
)
def test_what_a_policy_asks_of_the_messages_of_others(
    policy: SigningPolicy, raw: RawMessage, reason: str | None
) -> None:
    found = policy.check(raw)
    assert found is None if reason is None else found is not None and reason in found


@pytest.mark.parametrize("policy", SigningPolicy)
def test_those_that_sign_take_what_they_sign_themselves(policy: SigningPolicy) -> None:
    assert policy.check(author(policy).write("t", b"")) is None
    assert policy.signs is (policy in (STRICT_SIGN, LAX_SIGN))


@pytest.mark.parametrize("kind", KEYS)
def test_a_message_that_was_changed_on_its_way_does_not_hold(kind: str) -> None:
    raw = author(key=KEYS[kind]).write("topic", b"data")
    for old, new in ((b"data", b"Data"), (b"topic", b"Topic"), (raw.sequence, bytes(8))):
        assert old is not None
        changed = replace(raw, encoded=raw.encoded.replace(old, new, 1))
        assert changed.encoded != raw.encoded
        assert verify(changed, KEYS[kind]) == "its signature does not hold"


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65])
def test_random_bytes_are_no_signature(size: int) -> None:
    # RUSTSEC-2019-0004: any 64 bytes were taken.
    assert KeyRing().verify(replace(SIGNED, signature=b"\x5a" * size), KEY.peer_id) == "its signature does not hold"


def test_a_signature_of_somebody_else_does_not_hold() -> None:
    raw = sealed(OTHER, source=KEY.peer_id.to_bytes(), data=b"d", sequence=bytes(8), topic=b"t")
    assert verify(raw) == "its signature does not hold"


@pytest.mark.parametrize("victim", KEYS)
def test_a_key_that_is_not_the_authors_is_refused_however_well_it_signed(victim: str) -> None:
    # RUSTSEC-2022-0009, for messages.
    fields = {"source": KEYS[victim].peer_id.to_bytes(), "data": b"d", "sequence": bytes(8), "topic": b"t"}
    raw = sealed(OTHER, **fields, key=OTHER.public_key.to_protobuf())
    ring = KeyRing()
    assert ring.verify(raw, KEYS[victim].peer_id) == "its key is not its author's"
    # Not either when the key is known from messages of its own.
    own = sealed(OTHER, source=OTHER.peer_id.to_bytes(), topic=b"t", key=OTHER.public_key.to_protobuf())
    assert ring.verify(own, OTHER.peer_id) is None
    assert ring.verify(raw, KEYS[victim].peer_id) == "its key is not its author's"


def test_a_key_may_come_along_although_the_peer_id_holds_it() -> None:
    raw = sealed(KEY, source=KEY.peer_id.to_bytes(), topic=b"t", key=KEY.public_key.to_protobuf())
    assert verify(raw) is None


def test_a_key_that_is_none_is_refused() -> None:
    raw = sealed(KEY, source=KEY.peer_id.to_bytes(), topic=b"t", key=b"nothing")
    assert verify(raw) == "its key is no key"


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_a_peer_id_that_is_a_hash_needs_the_key(kind: str) -> None:
    raw = sealed(KEYS[kind], source=KEYS[kind].peer_id.to_bytes(), topic=b"t")
    assert verify(raw, KEYS[kind]) == "its author's id is a hash, and it has no key"


def test_a_peer_id_that_holds_no_key_needs_one_too() -> None:
    nobody = PeerId(b"\x00\x03abc")
    raw = sealed(KEY, source=nobody.to_bytes(), topic=b"t")
    assert KeyRing().verify(raw, nobody) == "its author's id is a hash, and it has no key"


def test_what_is_not_signed_needs_no_key() -> None:
    assert KeyRing().verify(BARE, None) is None
    assert KeyRing().verify(replace(BARE, source=SIGNED.source), KEY.peer_id) is None


def test_a_signature_without_an_author_does_not_hold() -> None:
    assert KeyRing().verify(SIGNED, None) == "it has a signature and no author"


def test_keys_are_kept_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pstack.pubsub.signing._KEYS_LIMIT", 3)
    ring = KeyRing()
    for _ in range(10):
        key = PrivateKey.generate()
        raw = sealed(key, source=key.peer_id.to_bytes(), topic=b"t", key=key.public_key.to_protobuf())
        assert ring.verify(raw, key.peer_id) is None
        assert len(ring._keys) <= 3


def test_fields_that_are_not_known_are_signed_with_the_others() -> None:
    body = encode_field(b"\x0a", KEY.peer_id.to_bytes()) + encode_field(b"\x22", b"t")
    new = encode_field(b"\x7a", b"from the future")
    encoded = body + encode_field(b"\x2a", KEY.sign(b"libp2p-pubsub:" + body + new)) + new
    (raw,) = decode(encode_field(b"\x12", encoded)).messages
    assert KeyRing().verify(raw, KEY.peer_id) is None
    (without,) = decode(encode_field(b"\x12", encoded[: -len(new)])).messages
    assert KeyRing().verify(without, KEY.peer_id) == "its signature does not hold"
