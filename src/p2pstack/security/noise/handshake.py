"""The Noise handshake of libp2p, pattern XX.

Both sides make a fresh ephemeral key (`e`) and hold a static one (`s`); what the peer's static key is worth is only
known from the payload, where the identity key signs it. The first message can be read by anybody and so carries no
payload. Keys are mixed from three exchanges (`ee`, `es`, `se`); a message that was changed on its way, or made by
somebody else, cannot be decrypted.

    initiator                                  responder
        e                                   ->
                                            <- e, ee, s, es, identity, muxers
        s, se, identity, muxers             ->

=========  =========  ==================  ====================================================  ======
role       state      event               then                                                  state
=========  =========  ==================  ====================================================  ======
initiator  START      it is made          send message 1                                        WAIT_2
initiator  WAIT_2     message 2           verify, choose the muxer, send message 3; result       DONE
responder  START      it is made          nothing                                               WAIT_1
responder  WAIT_1     message 1           send message 2                                        WAIT_3
responder  WAIT_3     message 3           verify, choose the muxer; result                      DONE
any        WAIT_n     an invalid message  `SecurityError` or `RemoteProtocolError`              FAILED
any        WAIT_n     end of stream       `SecurityError`                                       FAILED
=========  =========  ==================  ====================================================  ======

The muxer is the first in the initiator's list that is in the responder's too. As the initiator writes last, it answers
with the one it chose: implementations that look at the other side's list only (JavaScript) then choose the same. A side
that offers nothing leaves the muxer to be negotiated on the channel; lists with nothing in common end the connection.

Source: libp2p specs, noise; connections, "inlined muxer negotiation"; the Noise Protocol Framework, revision 34.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from cryptography.exceptions import InvalidTag

from p2pstack.errors import NegotiationError, P2PError, PeerIdMismatch, SecurityError
from p2pstack.identity.keys import PublicKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.security.noise.backend import Backend
from p2pstack.security.noise.frames import HandshakeDecoder, encode
from p2pstack.security.noise.payload import Credentials, verify

__all__ = ["Handshake", "Session"]


@dataclass(frozen=True, slots=True)
class Session:
    """What both sides leave the handshake with."""

    remote_public_key: PublicKey
    #: the muxer both support, None where either did not say
    muxer: str | None
    #: ChaChaPoly key of the records this side sends
    send_key: bytes = field(repr=False)
    #: ChaChaPoly key of the records the peer sends
    receive_key: bytes = field(repr=False)


class Handshake:
    """One side of the handshake: an `Exchange` whose result is the `Session`.

    :param credentials: who this side is
    :param backend: where ephemeral keys come from
    :param initiator: whether this side dialled
    :param expected: who must be at the other end; None takes anybody
    :param muxers: what to offer, the best first; none leaves the muxer to be negotiated later
    """

    __slots__ = (
        "_credentials",
        "_decoder",
        "_expected",
        "_initiator",
        "_keys",
        "_message",
        "_muxers",
        "_outgoing",
        "_state",
    )

    def __init__(
        self,
        credentials: Credentials,
        *,
        backend: Backend,
        initiator: bool,
        expected: PeerId | None = None,
        muxers: Sequence[str] = (),
    ) -> None:
        self._credentials = credentials
        self._expected = expected
        self._initiator = initiator
        self._muxers = muxers
        self._decoder = HandshakeDecoder()
        self._outgoing = b""
        self._state: Any = backend.handshake_state(credentials.static, initiator=initiator)
        self._keys: tuple[bytes, bytes] | None = None  # the initiator's and the responder's, once all is said
        self._message = 1  # the one to come next, of 3; 0 when all is over
        if initiator:
            self._write(b"")

    def data_to_send(self) -> bytes:
        """Takes what is to be sent now; at first the initiator's message 1."""
        outgoing, self._outgoing = self._outgoing, b""
        return outgoing

    def receive_data(self, data: bytes) -> Session | None:
        """The session; None while messages are missing.

        :raises PeerIdMismatch: the peer is not the one expected, and proved it
        :raises SecurityError: a message or the signature is not authentic
        :raises NegotiationError: both offer muxers, and none in common
        :raises RemoteProtocolError: what came is no such message
        """
        self._decoder.receive_data(data)
        if not self._message:
            return None
        try:
            while (message := self._decoder.next_message()) is not None:
                session = self._receive_message(message)
                if session:
                    self._end()
                    return session
        except P2PError:
            self._end()
            raise
        return None

    def receive_eof(self) -> NoReturn:
        """:raises SecurityError: always: the peer gave up; it does not say why"""
        raise SecurityError(f"expected message {self._message} of 3 of the Noise handshake, got the end of the stream")

    @property
    def surplus(self) -> bytes:
        """The bytes behind the peer's last message: its first records."""
        return self._decoder.surplus

    def _receive_message(self, message: bytes) -> Session | None:
        payload = self._read(message)
        if self._message == 2:
            self._write(self._credentials.payload(self._muxers))
            return None
        shown = verify(payload, self._state.rs.public_bytes)
        peer = shown.public_key.peer_id
        if self._expected is not None and peer != self._expected:
            raise PeerIdMismatch(self._expected, peer)
        muxer = self._choose(shown.muxers, peer)
        if self._initiator:
            self._write(self._credentials.payload([muxer] if muxer else self._muxers))
        assert self._keys is not None
        sending, receiving = self._keys if self._initiator else reversed(self._keys)
        return Session(shown.public_key, muxer, sending, receiving)

    def _choose(self, theirs: Sequence[str], peer: PeerId) -> str | None:
        if not self._muxers or not theirs:
            return None
        proposals, supported = (self._muxers, theirs) if self._initiator else (theirs, self._muxers)
        for muxer in proposals:
            if muxer in supported:
                return muxer
        raise NegotiationError(
            f"expected peer {peer} to support one of the muxers {', '.join(self._muxers)}, it offered {list(theirs)}",
            proposed=self._muxers,
        )

    def _read(self, message: bytes) -> bytes:
        payload = bytearray()
        try:
            self._keys = self._state.read_message(message, payload)
        except (InvalidTag, ValueError) as error:
            raise SecurityError(
                f"expected message {self._message} of 3 of the Noise handshake, got {len(message)} bytes that are not "
                f"authentic, or without the keys it begins with ({type(error).__name__})"
            ) from error
        self._message += 1
        return bytes(payload)

    def _write(self, payload: bytes) -> None:
        message = bytearray()
        self._keys = self._state.write_message(payload, message)
        self._outgoing += encode(message)
        self._message += 1

    def _end(self) -> None:
        self._message = 0
        self._state = self._keys = None
