"""Both sides say who they are, at once and without waiting for each other.

=======  ====================  ==========================================================  ======
state    event                 then                                                        state
=======  ====================  ==========================================================  ======
START    it is made            send our message                                            WAIT
WAIT     a message             result: the key in it; bytes behind it are surplus          DONE
WAIT     an invalid message    `RemoteProtocolError`, `SecurityError`, `PeerIdMismatch`    FAILED
WAIT     end of stream         `SecurityError`                                             FAILED
=======  ====================  ==========================================================  ======

Source: libp2p specs, plaintext, "Exchange".
"""

from typing import NoReturn

from p2pstack.errors import PeerIdMismatch, SecurityError
from p2pstack.identity.keys import PublicKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.security.plaintext.messages import MAX_MESSAGE, encode, parse_key
from p2pstack.wire.framing import FrameDecoder

__all__ = ["Handshake"]


class Handshake:
    """One side: an `Exchange` whose result is the peer's key.

    :param key: who this side is
    :param expected: who must be at the other end; None takes anybody
    """

    __slots__ = ("_decoder", "_expected", "_outgoing")

    def __init__(self, key: PublicKey, *, expected: PeerId | None = None) -> None:
        self._expected = expected
        self._outgoing = encode(key)
        self._decoder = FrameDecoder(limit=MAX_MESSAGE, what="plaintext exchange")

    def data_to_send(self) -> bytes:
        """Takes what is to be sent now: at first our message, then nothing."""
        outgoing, self._outgoing = self._outgoing, b""
        return outgoing

    def receive_data(self, data: bytes) -> PublicKey | None:
        """The peer's key; None while its message is not complete.

        :raises PeerIdMismatch: the peer is not the one expected
        :raises SecurityError: its id is not that of its key
        :raises RemoteProtocolError: what came is no such message
        """
        self._decoder.receive_data(data)
        message = self._decoder.next_frame()
        if message is None:
            return None
        key = parse_key(message)
        if self._expected is not None and key.peer_id != self._expected:
            raise PeerIdMismatch(self._expected, key.peer_id)
        return key

    def receive_eof(self) -> NoReturn:
        """:raises SecurityError: always: the peer did not say who it is"""
        raise SecurityError("expected the peer's id and key in a plaintext exchange, got the end of the stream")

    @property
    def surplus(self) -> bytes:
        """The bytes behind the peer's message."""
        return self._decoder.surplus
