"""Records, in batches."""

import itertools

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import LocalProtocolError, SecurityError
from p2pstack.security.noise.cipher import MAX_NONCE, ReceiveCipher, SendCipher

KEY = bytes(range(32))


def test_a_record_is_a_length_and_a_ciphertext_with_its_number_as_nonce() -> None:
    cipher = SendCipher(KEY)
    aead = ChaCha20Poly1305(KEY)
    records = bytes(cipher.seal([b"zero", b"one"])) + bytes(cipher.seal([b"two"]))
    expected = b""
    for number, plaintext in enumerate([b"zero", b"one", b"two"]):
        ciphertext = aead.encrypt(bytes(4) + number.to_bytes(8, "little"), plaintext, None)
        expected += len(ciphertext).to_bytes(2, "big") + ciphertext
    assert records == expected


@given(chunks=st.lists(st.binary(max_size=300), max_size=10), data=st.data())
def test_what_is_sealed_is_opened_however_it_is_cut(chunks: list[bytes], data) -> None:
    wire = bytes(SendCipher(KEY).seal(chunks))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(wire)), max_size=12)))
    receive = ReceiveCipher(KEY)
    opened: list[bytes] = []
    for start, end in itertools.pairwise([0, *cuts, len(wire)]):
        opened += receive.open(memoryview(wire)[start:end])
    assert opened == [chunk for chunk in chunks if chunk]
    assert receive.partial == 0


def test_a_byte_at_a_time_is_the_same_as_all_at_once() -> None:
    chunks = [b"first", b"", b"x" * 500, b"last"]
    wire = bytes(SendCipher(KEY).seal(chunks))
    receive = ReceiveCipher(KEY)
    opened = [chunk for place in range(len(wire)) for chunk in receive.open(wire[place : place + 1])]
    assert opened == [b"first", b"x" * 500, b"last"] == ReceiveCipher(KEY).open(wire)


def test_a_borrowed_buffer_may_change_afterwards() -> None:
    wire = bytes(SendCipher(KEY).seal([b"one", b"two"]))
    buffer = bytearray(wire[:30])
    receive = ReceiveCipher(KEY)
    opened = receive.open(memoryview(buffer))
    assert receive.partial == 30 - 21
    buffer[:] = bytes(30)
    buffer.clear()
    assert opened + receive.open(wire[30:]) == [b"one", b"two"]


def test_the_largest_record_and_one_byte_more() -> None:
    send = SendCipher(KEY)
    with pytest.raises(LocalProtocolError, match="at most 65519 bytes, not 65520"):
        send.seal([b"small", bytes(65_520)])
    records = send.seal([bytes(65_519)])
    assert len(records) == 2 + 65_535
    assert records[:2] == b"\xff\xff"
    assert ReceiveCipher(KEY).open(bytes(records)) == [bytes(65_519)]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_chunks_may_be_any_kind_of_bytes(kind) -> None:
    assert ReceiveCipher(KEY).open(bytes(SendCipher(KEY).seal([kind(b"chunk")]))) == [b"chunk"]


@given(place=st.integers(0, 3 * 18 + 11 - 1), change=st.integers(1, 255))
def test_a_changed_byte_is_seen_or_waited_for_and_nothing_comes_after(place: int, change: int) -> None:
    chunks = [b"one", b"three", b"two"]
    wire = bytearray(SendCipher(KEY).seal(chunks))
    wire[place] ^= change
    receive = ReceiveCipher(KEY)
    try:
        opened = receive.open(bytes(wire))
    except SecurityError:
        with pytest.raises(SecurityError, match="before"):
            receive.open(bytes(SendCipher(KEY).seal(chunks)))
        return
    # A length that grew makes a record that is not here yet.
    assert opened == chunks[: len(opened)] != chunks
    assert receive.partial


def test_a_bad_record_says_which_and_does_not_move_the_nonce() -> None:
    """GHSA-7g9j-g5jg-3vv3, CVE-2021-4239."""
    send, receive = SendCipher(KEY), ReceiveCipher(KEY)
    assert receive.open(bytes(send.seal([b"zero"]))) == [b"zero"]
    bad = send.seal([b"one"])
    bad[-1] ^= 1
    with pytest.raises(SecurityError, match="expected record 1 "):
        receive.open(bytes(bad))
    with pytest.raises(SecurityError):
        receive.open(b"")


@pytest.mark.parametrize("size", [0, 1, 15])
def test_a_record_shorter_than_its_authentication_is_refused(size: int) -> None:
    with pytest.raises(SecurityError):
        ReceiveCipher(KEY).open(size.to_bytes(2, "big") + bytes(size))


def test_a_replayed_or_dropped_record_is_refused() -> None:
    send = SendCipher(KEY)
    first, second = bytes(send.seal([b"first"])), bytes(send.seal([b"second"]))
    with pytest.raises(SecurityError):
        ReceiveCipher(KEY).open(first + first)
    with pytest.raises(SecurityError):
        ReceiveCipher(KEY).open(second)


def test_the_last_nonce_is_never_used_to_send() -> None:
    send = SendCipher(KEY, nonce=MAX_NONCE - 2)
    with pytest.raises(SecurityError, match="connect anew"):
        send.seal([b"a", b"b", b"c"])
    assert len(send.seal([b"a", b"b"])) == 2 * 19
    with pytest.raises(SecurityError, match=str(2**64 - 1)):
        send.seal([b"c"])
    assert send.seal([]) == b""


def test_the_last_nonce_is_never_used_to_receive() -> None:
    aead = ChaCha20Poly1305(KEY)

    def record(nonce: int) -> bytes:
        ciphertext = aead.encrypt(bytes(4) + nonce.to_bytes(8, "little"), b"x", None)
        return len(ciphertext).to_bytes(2, "big") + ciphertext

    receive = ReceiveCipher(KEY, nonce=MAX_NONCE - 1)
    assert receive.open(record(MAX_NONCE - 1)) == [b"x"]
    for _ in range(2):
        with pytest.raises(SecurityError, match="connect anew"):
            receive.open(record(MAX_NONCE))


@given(wire=st.binary(max_size=200), cut=st.integers(0, 200))
def test_any_bytes_are_waited_for_or_refused(wire: bytes, cut: int) -> None:
    receive = ReceiveCipher(KEY)
    try:
        assert receive.open(wire[:cut]) + receive.open(wire[cut:]) == []
    except SecurityError:
        return
    assert receive.partial == len(wire)
