"""The cryptography under the handshake, against published numbers."""

from typing import Any

import pytest

from p2pstack.errors import SecurityError
from p2pstack.security.noise.backend import X25519, Backend, X25519KeyPair, random_key
from p2pstack.security.noise.cipher import ReceiveCipher, SendCipher

#: of the vectors of the cacophony library, the one for this suite
INIT_STATIC = "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1"
INIT_EPHEMERAL = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a"
RESP_STATIC = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893"
RESP_EPHEMERAL = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b"
HANDSHAKE_HASH = "c8e5f64e846193be2a834104c2a009868d6c9f3bd3c186299888b488b2f1f58e"
MESSAGES = [
    (
        "4c756477696720766f6e204d69736573",
        "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444c756477696720766f6e204d69736573",
    ),
    (
        "4d757272617920526f746862617264",
        "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f14480884381cbad1f276e038c48378ffce2b65285e08d6b68aaa3629a"
        "5a8639392490e5b9bd5269c2f1e4f488ed8831161f19b7815528f8982ffe09be9b5c412f8a0db50f8814c7194e83f23dbd8d162c9326ad",
    ),
    (
        "462e20412e20486179656b",
        "c7195ffacac1307ff99046f219750fc47693e23c3cb08b89c2af808b444850a80ae475b9df0f169ae80a89be0865b57f58c9fea0d4ec82a2"
        "86427402f113e4b6ae769a1d95941d49b25030",
    ),
    ("4361726c204d656e676572", "96763ed773f8e47bb3712f0e29b3060ffc956ffc146cee53d5e1df"),
    (
        "4a65616e2d426170746973746520536179",
        "3e40f15f6f3a46ae446b253bf8b1d9ffb6ed9b174d272328ff91a7e2e5c79c07f5",
    ),
    (
        "457567656e2042f6686d20766f6e2042617765726b",
        "eb3f3515110702e047a6c9da4478b6ead94873c11c0f2d710ddb3f09fce024b3a58502ae3f",
    ),
]


def begin(*, initiator: bool, static: str, ephemeral: str) -> Any:
    backend = Backend(lambda: bytes.fromhex(ephemeral))
    key = X25519KeyPair.from_private_bytes(bytes.fromhex(static))
    return backend.handshake_state(key, initiator=initiator, prologue=b"John Galt")


def test_a_whole_conversation_has_the_published_bytes() -> None:
    initiator = begin(initiator=True, static=INIT_STATIC, ephemeral=INIT_EPHEMERAL)
    responder = begin(initiator=False, static=RESP_STATIC, ephemeral=RESP_EPHEMERAL)
    sender, receiver = initiator, responder
    keys: set[tuple[bytes, bytes] | None] = set()
    for payload, ciphertext in MESSAGES[:3]:
        message, received = bytearray(), bytearray()
        keys = {sender.write_message(bytes.fromhex(payload), message)}
        assert message.hex() == ciphertext
        keys.add(receiver.read_message(message, received))
        assert received.hex() == payload
        sender, receiver = receiver, sender
    for state in (initiator, responder):
        assert state.symmetric_state.handshake_hash.hex() == HANDSHAKE_HASH

    ((of_initiator, of_responder),) = [pair for pair in keys if pair is not None]
    ends = {
        initiator: (SendCipher(of_initiator), ReceiveCipher(of_responder)),
        responder: (SendCipher(of_responder), ReceiveCipher(of_initiator)),
    }
    for payload, ciphertext in MESSAGES[3:]:
        record = ends[sender][0].seal([bytes.fromhex(payload)])
        assert record[2:].hex() == ciphertext
        assert [chunk.hex() for chunk in ends[receiver][1].open(bytes(record))] == [payload]
        sender, receiver = receiver, sender


def test_diffie_hellman_gives_the_numbers_of_rfc_7748() -> None:
    """Section 5.2."""
    scalar = bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
    point = bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
    expected = "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
    assert X25519(random_key).dh(scalar, point).hex() == expected


@pytest.mark.parametrize("order", [0, 1])
def test_a_public_key_of_small_order_is_refused(order: int) -> None:
    with pytest.raises(SecurityError, match="small order"):
        X25519(random_key).dh(random_key(), bytes([order]) + bytes(31))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"32 bytes, got {size}"):
        X25519KeyPair.from_public_bytes(bytes(size))
    with pytest.raises(ValueError, match=f"32 bytes, got {size}"):
        X25519KeyPair.from_private_bytes(bytes(size))


def test_random_keys_are_random() -> None:
    assert len({random_key() for _ in range(100)}) == 100
    assert len(random_key()) == 32
