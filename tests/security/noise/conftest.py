"""Handshakes without a network, and peers played by other software."""

from collections.abc import Callable, Sequence

import pytest
from noise.connection import Keypair, NoiseConnection

from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.security.noise.backend import Backend, X25519KeyPair, random_key
from p2pstack.security.noise.handshake import Handshake, Session
from p2pstack.security.noise.payload import Credentials

NAME = b"Noise_XX_25519_ChaChaPoly_SHA256"
SIGNED_PREFIX = b"noise-libp2p-static-key:"

MakeHandshake = Callable[..., Handshake]


def field(number: int, value: bytes) -> bytes:
    """A length-delimited field of a protobuf message, for a short value or a long one."""
    size = len(value)
    length = bytes([size]) if size < 0x80 else bytes([size & 0x7F | 0x80, size >> 7])
    return bytes([number << 3 | 2]) + length + value


class ForeignPeer:
    """A peer of another make: `noiseprotocol` with its own backend, payloads written by hand.

    :param muxers: None leaves the extensions out
    """

    def __init__(
        self,
        identity: PrivateKey,
        *,
        initiator: bool,
        muxers: Sequence[str] | None = None,
        static: bytes | None = None,
        signature: bytes | None = None,
        payload: bytes | None = None,
    ) -> None:
        static = static or random_key()
        self.noise = NoiseConnection.from_name(NAME)
        self.noise.set_as_initiator() if initiator else self.noise.set_as_responder()
        self.noise.set_keypair_from_private_bytes(Keypair.STATIC, static)
        self.noise.start_handshake()
        public = X25519KeyPair.from_private_bytes(static).public_bytes
        if payload is None:
            signature = identity.sign(SIGNED_PREFIX + public) if signature is None else signature
            payload = field(1, identity.public_key.to_protobuf()) + field(2, signature)
            if muxers is not None:
                payload += field(4, b"".join(field(2, muxer.encode()) for muxer in muxers))
        self.payload = payload
        self.received = b""

    def write(self, payload: bytes | None = None) -> bytes:
        """The next message, behind its length; with the payload it has, or another."""
        message = self.noise.write_message(self.payload if payload is None else payload)
        return len(message).to_bytes(2, "big") + message

    def read(self, framed: bytes) -> bytes:
        """The payload of a message."""
        assert int.from_bytes(framed[:2], "big") == len(framed) - 2
        self.received = bytes(self.noise.read_message(framed[2:]))
        return self.received

    def seal(self, plaintext: bytes) -> bytes:
        record = self.noise.encrypt(plaintext)
        return len(record).to_bytes(2, "big") + record

    def open(self, framed: bytes) -> bytes:
        assert int.from_bytes(framed[:2], "big") == len(framed) - 2
        return bytes(self.noise.decrypt(bytes(framed[2:])))


@pytest.fixture(scope="session")
def make_handshake() -> MakeHandshake:
    def make(
        identity: PrivateKey,
        *,
        initiator: bool,
        expected: PeerId | None = None,
        muxers: Sequence[str] = (),
        source: Callable[[], bytes] = random_key,
    ) -> Handshake:
        credentials = Credentials(identity, X25519KeyPair.from_private_bytes(source()))
        return Handshake(credentials, backend=Backend(source), initiator=initiator, expected=expected, muxers=muxers)

    return make


@pytest.fixture(scope="session")
def foreign_peer() -> type[ForeignPeer]:
    return ForeignPeer


@pytest.fixture(scope="session")
def shake_hands() -> Callable[[Handshake, Handshake], tuple[Session, Session]]:
    def shake_hands(initiator: Handshake, responder: Handshake) -> tuple[Session, Session]:
        assert responder.receive_data(initiator.data_to_send()) is None
        here = initiator.receive_data(responder.data_to_send())
        assert here is not None
        there = responder.receive_data(initiator.data_to_send())
        assert there is not None
        return here, there

    return shake_hands


@pytest.fixture
def sessions(
    alice: PrivateKey,
    bob: PrivateKey,
    make_handshake: MakeHandshake,
    shake_hands: Callable[[Handshake, Handshake], tuple[Session, Session]],
) -> tuple[Session, Session]:
    """Alice's, who dialled, and Bob's."""
    return shake_hands(make_handshake(alice, initiator=True), make_handshake(bob, initiator=False))
