"""Noise messages on the wire: each behind its length in two bytes, most significant first.

Source: libp2p specs, noise, "Wire Format".
"""

from struct import Struct

from p2pstack.errors import RemoteProtocolError

__all__ = ["LENGTH", "MAX_HANDSHAKE_MESSAGE", "MAX_MESSAGE", "MAX_PLAINTEXT", "TAG_SIZE", "HandshakeDecoder", "encode"]

#: the length before each message
LENGTH = Struct(">H")
#: bytes of authentication behind each ciphertext
TAG_SIZE = 16
#: bytes of the longest message
MAX_MESSAGE = (1 << 16) - 1
#: bytes of plaintext in the longest record
MAX_PLAINTEXT = MAX_MESSAGE - TAG_SIZE
#: bytes of the longest message taken during the handshake: an RSA key of 8,192 bits, its signature and a hundred
#: muxers take half of it, and random bytes fail at their first length three times out of four
MAX_HANDSHAKE_MESSAGE = 1 << 14


def encode(message: bytes | bytearray) -> bytes:
    """`message` behind its length."""
    return LENGTH.pack(len(message)) + message


class HandshakeDecoder:
    """Cuts what arrives during the handshake into messages."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive_data(self, data: bytes) -> None:
        """Take bytes as they came. Parses nothing."""
        self._buffer += data

    def next_message(self) -> bytes | None:
        """The next message; None where more bytes are needed.

        :raises RemoteProtocolError: its length is above `MAX_HANDSHAKE_MESSAGE`
        """
        buffer = self._buffer
        if len(buffer) < LENGTH.size:
            return None
        (size,) = LENGTH.unpack_from(buffer)
        if size > MAX_HANDSHAKE_MESSAGE:
            raise RemoteProtocolError(
                f"expected a message of the Noise handshake of at most {MAX_HANDSHAKE_MESSAGE} bytes, got one of {size}"
            )
        end = LENGTH.size + size
        if len(buffer) < end:
            return None
        message = bytes(memoryview(buffer)[LENGTH.size : end])
        del buffer[:end]
        return message

    @property
    def surplus(self) -> bytes:
        """The bytes behind the last message."""
        return bytes(self._buffer)
