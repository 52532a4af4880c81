"""The handshake between two of this make, cut and changed on its way."""

import itertools
import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import NegotiationError, PeerIdMismatch, RemoteProtocolError, SecurityError
from p2pstack.identity.keys import PrivateKey

YAMUX, MPLEX = "/yamux/1.0.0", "/mplex/6.7.0"
JUNK = random.Random(33)


def test_both_sides_know_each_other_and_have_each_others_keys(alice, bob, make_handshake, shake_hands) -> None:
    here, there = shake_hands(make_handshake(alice, initiator=True), make_handshake(bob, initiator=False))
    assert here.remote_public_key == bob.public_key
    assert there.remote_public_key == alice.public_key
    assert here.send_key == there.receive_key != here.receive_key == there.send_key
    assert here.muxer is there.muxer is None
    assert here.send_key.hex() not in repr(here)


@pytest.mark.parametrize("kind", ["secp256k1", "ecdsa", "rsa"])
def test_identities_of_every_type_shake_hands(kind: str, bob, make_handshake, shake_hands) -> None:
    identity = PrivateKey.generate(kind)
    here, there = shake_hands(make_handshake(bob, initiator=True), make_handshake(identity, initiator=False))
    assert here.remote_public_key == identity.public_key
    here, there = shake_hands(make_handshake(identity, initiator=True), make_handshake(bob, initiator=False))
    assert there.remote_public_key == identity.public_key


def test_the_expected_peer_is_accepted_and_another_is_not(alice, bob, mallory, make_handshake, shake_hands) -> None:
    """GHSA-rch7-f4h5-x9rj: dialled Alice, answered by Mallory."""
    shake_hands(make_handshake(bob, initiator=True, expected=alice.peer_id), make_handshake(alice, initiator=False))
    dialer = make_handshake(bob, initiator=True, expected=alice.peer_id)
    impostor = make_handshake(mallory, initiator=False)
    impostor.receive_data(dialer.data_to_send())
    with pytest.raises(PeerIdMismatch) as caught:
        dialer.receive_data(impostor.data_to_send())
    assert caught.value.expected == alice.peer_id
    assert caught.value.actual == mallory.peer_id
    assert dialer.data_to_send() == b""


def test_the_responder_too_can_expect_somebody(alice, bob, mallory, make_handshake) -> None:
    dialer = make_handshake(mallory, initiator=True)
    listener = make_handshake(alice, initiator=False, expected=bob.peer_id)
    listener.receive_data(dialer.data_to_send())
    dialer.receive_data(listener.data_to_send())
    with pytest.raises(PeerIdMismatch):
        listener.receive_data(dialer.data_to_send())


@pytest.mark.parametrize(
    ("proposed", "supported", "chosen"),
    [
        ([YAMUX], [YAMUX], YAMUX),
        ([YAMUX, MPLEX], [MPLEX, YAMUX], YAMUX),
        ([MPLEX, YAMUX], [YAMUX, "/other", MPLEX], MPLEX),
        (["/other", YAMUX], [MPLEX, YAMUX], YAMUX),
        ([], [YAMUX], None),
        ([YAMUX], [], None),
        ([], [], None),
    ],
)
def test_the_muxer_is_the_first_of_the_initiators_that_both_support(
    proposed, supported, chosen, alice, bob, make_handshake, shake_hands
) -> None:
    here, there = shake_hands(
        make_handshake(alice, initiator=True, muxers=proposed), make_handshake(bob, initiator=False, muxers=supported)
    )
    assert here.muxer == there.muxer == chosen


def test_no_muxer_in_common_ends_it(alice, bob, make_handshake) -> None:
    dialer = make_handshake(alice, initiator=True, muxers=[YAMUX])
    listener = make_handshake(bob, initiator=False, muxers=[MPLEX])
    listener.receive_data(dialer.data_to_send())
    with pytest.raises(NegotiationError, match="mplex") as caught:
        dialer.receive_data(listener.data_to_send())
    assert caught.value.proposed == (YAMUX,)


def test_the_first_message_shows_nothing_but_a_key(alice, make_handshake) -> None:
    message = make_handshake(alice, initiator=True, muxers=[YAMUX]).data_to_send()
    assert len(message) == 2 + 32


def test_the_static_key_stays_and_the_ephemeral_one_does_not(alice, bob, make_handshake) -> None:
    first, second = (make_handshake(alice, initiator=True).data_to_send() for _ in range(2))
    assert first != second


def test_the_same_source_of_keys_gives_the_same_bytes(alice, bob, make_handshake, shake_hands) -> None:
    def run():
        randomness = random.Random(7)
        source = lambda: randomness.randbytes(32)  # noqa: E731
        return shake_hands(
            make_handshake(alice, initiator=True, source=source), make_handshake(bob, initiator=False, source=source)
        )

    assert run() == run()


def test_records_behind_the_last_message_are_surplus(alice, bob, make_handshake) -> None:
    dialer, listener = make_handshake(alice, initiator=True), make_handshake(bob, initiator=False)
    listener.receive_data(dialer.data_to_send())
    dialer.receive_data(listener.data_to_send())
    assert listener.receive_data(dialer.data_to_send() + b"first record") is not None
    assert listener.receive_data(b", and its end") is None
    assert listener.surplus == b"first record, and its end"
    assert dialer.surplus == b""


@given(data=st.data())
def test_it_does_not_matter_how_messages_are_cut(alice, bob, make_handshake, data) -> None:
    dialer, listener = make_handshake(alice, initiator=True), make_handshake(bob, initiator=False)
    sides = [dialer, listener]
    results = []
    for sender, receiver in ((0, 1), (1, 0), (0, 1)):
        message = sides[sender].data_to_send()
        cuts = sorted(data.draw(st.sets(st.integers(1, len(message) - 1), max_size=6)))
        for start, end in itertools.pairwise([0, *cuts, len(message)]):
            results.append(sides[receiver].receive_data(message[start:end]))
    assert [result.remote_public_key for result in results if result] == [bob.public_key, alice.public_key]


def test_a_byte_at_a_time_is_the_same_as_all_at_once(alice, bob, make_handshake) -> None:
    dialer, listener = make_handshake(alice, initiator=True), make_handshake(bob, initiator=False)
    for sender, receiver in ((dialer, listener), (listener, dialer), (dialer, listener)):
        message = sender.data_to_send()
        results = [receiver.receive_data(message[place : place + 1]) for place in range(len(message))]
        assert not any(results[:-1])
    assert results[-1].remote_public_key == alice.public_key


@given(which=st.integers(0, 2), data=st.data())
def test_no_changed_byte_goes_unseen(alice, bob, make_handshake, which: int, data) -> None:
    """But in the first message, which nothing vouches for: there, the two come to different keys and see it next."""
    sides = [make_handshake(alice, initiator=True), make_handshake(bob, initiator=False)]
    done = []
    try:
        for number, (sender, receiver) in enumerate(((0, 1), (1, 0), (0, 1))):
            message = bytearray(sides[sender].data_to_send())
            if number == which:
                message[data.draw(st.integers(2, len(message) - 1))] ^= data.draw(st.integers(1, 255))
            done.append(sides[receiver].receive_data(bytes(message)))
    except SecurityError:
        # The top bit of an X25519 key counts for nothing, but its hash is mixed in all the same.
        assert not any(done[which:])
        return
    raise AssertionError("nobody saw it")


def test_an_ephemeral_key_of_small_order_is_refused(bob, make_handshake) -> None:
    with pytest.raises(SecurityError, match="small order"):
        make_handshake(bob, initiator=False).receive_data(b"\x00\x20" + bytes(32))


@pytest.mark.parametrize("size", [0, 1, 31])
def test_a_message_without_a_key_is_refused(bob, make_handshake, size: int) -> None:
    with pytest.raises(SecurityError, match=f"message 1 of 3 of the Noise handshake, got {size} bytes"):
        make_handshake(bob, initiator=False).receive_data(size.to_bytes(2, "big") + bytes(size))


def test_64_kib_of_junk_ends_in_an_error(alice, bob, make_handshake) -> None:
    """public-attacknets #8: as the first bytes, and behind a good first message."""
    for _ in range(50):
        junk = JUNK.randbytes(65_536)
        with pytest.raises((SecurityError, RemoteProtocolError)):
            make_handshake(bob, initiator=False).receive_data(junk)
        with pytest.raises((SecurityError, RemoteProtocolError)):
            make_handshake(bob, initiator=True).receive_data(junk)
        listener = make_handshake(bob, initiator=False)
        with pytest.raises((SecurityError, RemoteProtocolError)):
            listener.receive_data(make_handshake(alice, initiator=True).data_to_send() + junk)


def test_a_long_message_is_refused_by_its_length(bob, make_handshake) -> None:
    with pytest.raises(RemoteProtocolError, match="at most 16384 bytes"):
        make_handshake(bob, initiator=False).receive_data(b"\xff\xff")


def test_the_end_of_the_stream_says_which_message_was_missing(alice, bob, make_handshake) -> None:
    dialer, listener = make_handshake(alice, initiator=True), make_handshake(bob, initiator=False)
    with pytest.raises(SecurityError, match="message 2 of 3"):
        dialer.receive_eof()
    with pytest.raises(SecurityError, match="message 1 of 3"):
        listener.receive_eof()
    listener.receive_data(dialer.data_to_send())
    with pytest.raises(SecurityError, match="message 3 of 3"):
        listener.receive_eof()


def test_nothing_is_taken_after_a_failure(alice, bob, make_handshake) -> None:
    dialer, listener = make_handshake(alice, initiator=True), make_handshake(bob, initiator=False)
    with pytest.raises(SecurityError):
        listener.receive_data(b"\x00\x01x")
    assert listener.receive_data(dialer.data_to_send()) is None
    assert listener.data_to_send() == b""


@given(parts=st.lists(st.binary(max_size=400) | st.binary(max_size=120).map(lambda m: len(m).to_bytes(2, "big") + m)))
def test_any_bytes_end_in_an_error_of_its_kind_or_in_nothing(alice, make_handshake, parts: list[bytes]) -> None:
    for initiator in (True, False):
        handshake = make_handshake(alice, initiator=initiator)
        with suppress(SecurityError, RemoteProtocolError):
            for part in parts:
                assert handshake.receive_data(part) is None
