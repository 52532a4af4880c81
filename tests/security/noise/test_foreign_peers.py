"""Against peers of another make, which keep to the specification, or do not."""

import pytest

from p2pstack.errors import NegotiationError, RemoteProtocolError, SecurityError
from p2pstack.security.noise.backend import random_key
from p2pstack.security.noise.cipher import ReceiveCipher, SendCipher

YAMUX, MPLEX = "/yamux/1.0.0", "/mplex/6.7.0"


def respond(handshake, peer):
    """`handshake` dials `peer`."""
    peer.read(handshake.data_to_send())
    session = handshake.receive_data(peer.write())
    if session:
        peer.read(handshake.data_to_send())
    return session


def initiate(handshake, peer):
    """`peer` dials `handshake`."""
    handshake.receive_data(peer.write(b""))
    peer.read(handshake.data_to_send())
    return handshake.receive_data(peer.write())


@pytest.mark.parametrize("initiator", [True, False])
def test_a_conversation(alice, bob, make_handshake, foreign_peer, initiator: bool) -> None:
    handshake = make_handshake(alice, initiator=initiator)
    peer = foreign_peer(bob, initiator=not initiator)
    session = (respond if initiator else initiate)(handshake, peer)
    assert session.remote_public_key == bob.public_key
    send, receive = SendCipher(session.send_key), ReceiveCipher(session.receive_key)
    for size in (1, 0, 64, 65_519, 1000):
        plaintext = bytes(size)
        assert peer.open(send.seal([plaintext])) == plaintext
        assert receive.open(peer.seal(plaintext)) == ([plaintext] if size else [])


@pytest.mark.parametrize("initiator", [True, False])
@pytest.mark.parametrize("muxers", [None, []])
def test_a_peer_without_early_muxers_leaves_them_to_negotiation(
    alice, bob, make_handshake, foreign_peer, initiator: bool, muxers
) -> None:
    """As rust-libp2p does, and as an empty list of extensions says."""
    handshake = make_handshake(alice, initiator=initiator, muxers=[YAMUX])
    peer = foreign_peer(bob, initiator=not initiator, muxers=muxers)
    session = (respond if initiator else initiate)(handshake, peer)
    assert session.muxer is None
    assert peer.received.endswith(YAMUX.encode())


def test_as_initiator_only_the_chosen_muxer_is_offered(alice, bob, make_handshake, foreign_peer) -> None:
    """So that js-libp2p, which takes the first of the other's list that it has, takes the same."""
    handshake = make_handshake(alice, initiator=True, muxers=["/other", YAMUX, MPLEX])
    peer = foreign_peer(bob, initiator=False, muxers=[MPLEX, YAMUX])
    assert respond(handshake, peer).muxer == YAMUX
    assert peer.received.endswith(b"\x22\x0e\x12\x0c" + YAMUX.encode())


def test_the_responder_takes_the_first_of_the_initiators_list(alice, bob, make_handshake, foreign_peer) -> None:
    """As go-libp2p does, which sends the whole list in either role."""
    handshake = make_handshake(alice, initiator=False, muxers=[MPLEX, YAMUX])
    peer = foreign_peer(bob, initiator=True, muxers=["/other", YAMUX, MPLEX])
    assert initiate(handshake, peer).muxer == YAMUX


def test_a_list_without_anything_in_common_ends_it(alice, bob, make_handshake, foreign_peer) -> None:
    handshake = make_handshake(alice, initiator=False, muxers=[YAMUX])
    with pytest.raises(NegotiationError, match="mplex"):
        initiate(handshake, foreign_peer(bob, initiator=True, muxers=[MPLEX]))


@pytest.mark.parametrize("initiator", [True, False])
def test_a_replayed_payload_is_refused(alice, bob, mallory, make_handshake, foreign_peer, initiator: bool) -> None:
    """CVE-2022-24759: Mallory shows what Bob once showed, with a static key of her own."""
    overheard = foreign_peer(bob, initiator=True).payload
    handshake = make_handshake(alice, initiator=initiator, expected=bob.peer_id)
    with pytest.raises(SecurityError, match="does not hold that peer's key"):
        (respond if initiator else initiate)(
            handshake, foreign_peer(mallory, initiator=not initiator, payload=overheard)
        )
    assert handshake.data_to_send() == b""


@pytest.mark.parametrize("initiator", [True, False])
def test_a_random_signature_is_refused(alice, bob, make_handshake, foreign_peer, initiator: bool) -> None:
    """RUSTSEC-2019-0004."""
    handshake = make_handshake(alice, initiator=initiator)
    peer = foreign_peer(bob, initiator=not initiator, signature=random_key() + random_key())
    with pytest.raises(SecurityError):
        (respond if initiator else initiate)(handshake, peer)


@pytest.mark.parametrize("initiator", [True, False])
@pytest.mark.parametrize("payload", [b"", b"\xff\xff", b"\x0a\x05junk!", b"\x0a\x00\x12\x00"])
def test_a_payload_that_is_none_is_refused(
    alice, bob, make_handshake, foreign_peer, initiator: bool, payload: bytes
) -> None:
    handshake = make_handshake(alice, initiator=initiator)
    with pytest.raises(RemoteProtocolError):
        (respond if initiator else initiate)(handshake, foreign_peer(bob, initiator=not initiator, payload=payload))


def test_what_the_first_message_carries_is_passed_over(alice, bob, make_handshake, foreign_peer) -> None:
    """Nothing may be there, and what is there can be from anybody."""
    handshake = make_handshake(alice, initiator=False)
    peer = foreign_peer(bob, initiator=True)
    handshake.receive_data(peer.write(b"early data that nobody vouches for"))
    peer.read(handshake.data_to_send())
    assert handshake.receive_data(peer.write()).remote_public_key == bob.public_key
