"""Peer records: certified addresses."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiaddr import Multiaddr

from p2pstack.errors import LocalProtocolError, RemoteProtocolError, SecurityError
from p2pstack.identity.ed25519 import Ed25519PrivateKey
from p2pstack.identity.envelope import SignedEnvelope
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.record import DOMAIN, MAX_ADDRS, MAX_SIZE, PAYLOAD_TYPE, PeerRecord
from p2pstack.wire.pb.peer_record_pb2 import PeerRecord as Message

KEY = Ed25519PrivateKey.from_seed(bytes(32))
OTHER = Ed25519PrivateKey.from_seed(b"\x01" * 32)
ADDRS = (Multiaddr("/ip4/192.0.2.1/tcp/4001"), Multiaddr("/ip6/2001:db8::1/udp/4001/quic-v1"))


def sealed(payload: bytes, *, key: PrivateKey = KEY, payload_type: bytes = PAYLOAD_TYPE) -> SignedEnvelope:
    return SignedEnvelope.seal(key, domain=DOMAIN, payload_type=payload_type, payload=payload)


def message(peer: bytes = KEY.peer_id.to_bytes(), seq: int = 1, addrs: tuple[bytes, ...] = ()) -> bytes:
    return Message(peer_id=peer, seq=seq, addresses=[{"multiaddr": addr} for addr in addrs]).SerializeToString()


def test_a_record_survives_the_wire_with_keys_of_every_type(key: PrivateKey) -> None:
    record = PeerRecord(key.peer_id, 7, ADDRS)
    envelope = SignedEnvelope.from_bytes(record.seal(key).to_bytes(), domain="libp2p-peer-record")
    assert envelope.payload_type == b"\x03\x01"
    assert PeerRecord.from_envelope(envelope) == record


@pytest.mark.parametrize("seq", [0, 1, 2**64 - 1])
def test_a_record_without_addresses_is_one(seq: int) -> None:
    record = PeerRecord(KEY.peer_id, seq)
    assert PeerRecord.from_envelope(record.seal(KEY)) == record


def test_a_record_about_another_than_its_signer_is_refused() -> None:  # RUSTSEC-2022-0009
    envelope = sealed(message(OTHER.peer_id.to_bytes()))
    with pytest.raises(SecurityError, match=f"about {OTHER.peer_id}, but was signed by {KEY.peer_id}"):
        PeerRecord.from_envelope(envelope)


def test_a_record_about_another_is_not_signed_either() -> None:
    with pytest.raises(LocalProtocolError, match="must be signed by its key"):
        PeerRecord(OTHER.peer_id, 1).seal(KEY)


def test_what_was_signed_for_something_else_is_no_record() -> None:
    envelope = dataclasses.replace(sealed(message()), domain="other")
    with pytest.raises(SecurityError, match="expected to be signed for 'libp2p-peer-record', not 'other'"):
        PeerRecord.from_envelope(envelope)


@pytest.mark.parametrize("payload_type", [b"", b"\x03\x02", b"/libp2p/routing-state-record" * 100])
def test_a_payload_of_another_type_is_no_record(payload_type: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="expected payload type 0301, got") as error:
        PeerRecord.from_envelope(sealed(message(), payload_type=payload_type))
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("payload", [b"", b"\xff", message(b""), message(b"\x00\x01")])
def test_a_payload_that_is_no_record_is_refused(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        PeerRecord.from_envelope(sealed(payload))


def test_addresses_that_are_none_are_skipped_and_counted() -> None:
    good = ADDRS[0].to_bytes()
    record = PeerRecord.from_envelope(sealed(message(addrs=(b"", good, b"\x04\x01", b"\xff", b"\xff\x7f\x00"))))
    assert record.addrs == (ADDRS[0],)
    assert record.skipped == 4


def test_addresses_beyond_the_limit_are_skipped_and_counted() -> None:
    addrs = tuple(Multiaddr(f"/memory/{n}").to_bytes() for n in range(MAX_ADDRS + 3))
    record = PeerRecord.from_envelope(sealed(message(addrs=addrs)))
    assert [addr.to_bytes() for addr in record.addrs] == list(addrs[:MAX_ADDRS])
    assert record.skipped == 3


def test_a_record_of_very_many_empty_addresses_is_refused_unparsed() -> None:
    with pytest.raises(RemoteProtocolError, match=f"at most {MAX_SIZE} bytes, got"):
        PeerRecord.from_envelope(sealed(message() + b"\x1a\x00" * MAX_SIZE))


@pytest.mark.parametrize(
    "record",
    [
        PeerRecord(KEY.peer_id, -1),
        PeerRecord(KEY.peer_id, 2**64),
        PeerRecord(KEY.peer_id, 1, (ADDRS[0],) * (MAX_ADDRS + 1)),
    ],
    ids=["negative seq", "seq beyond 64 bits", "too many addresses"],
)
def test_a_record_out_of_bounds_is_not_signed(record: PeerRecord) -> None:
    with pytest.raises(LocalProtocolError, match="at most 500 addresses"):
        record.seal(KEY)


@given(st.one_of(st.binary(max_size=64), st.builds(message, addrs=st.lists(st.binary(max_size=20)).map(tuple))))
def test_any_payload_is_a_record_or_an_error_of_ours(payload: bytes) -> None:
    try:
        record = PeerRecord.from_envelope(sealed(payload))
    except (RemoteProtocolError, SecurityError):
        return
    assert record.peer_id == KEY.peer_id
    assert [str(addr) for addr in record.addrs] == [str(Multiaddr(addr.to_bytes())) for addr in record.addrs]
