"""Records: what a channel carries once the handshake is over, sealed and opened in batches.

A record is a message of up to 65,519 bytes of plaintext and 16 of authentication behind its length; the nonce is its
number, which is not sent. Many records are sealed into one buffer, for one write; whatever a read brought is opened
where it lies, and only a record that is cut off at the end is copied, to wait for its rest.

A nonce never moves on failure, and never comes twice: the last one there could be is not used (Noise, 5.1), and after a
record that is not authentic nothing more is opened.

Source: libp2p specs, noise, "Encryption and I/O".
"""

from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from p2pstack.errors import LocalProtocolError, SecurityError
from p2pstack.security.noise.backend import NONCE
from p2pstack.security.noise.frames import LENGTH, MAX_PLAINTEXT, TAG_SIZE

__all__ = ["MAX_NONCE", "ReceiveCipher", "SendCipher"]

#: the number no record has: Noise keeps it for itself
MAX_NONCE = (1 << 64) - 1

_HEAD_SIZE = LENGTH.size
_OVERHEAD = _HEAD_SIZE + TAG_SIZE


class SendCipher:
    """Seals records.

    :param key: 32 bytes, from the handshake
    :param nonce: the number of the first record
    """

    __slots__ = ("_encrypt_into", "_nonce")

    def __init__(self, key: bytes, *, nonce: int = 0) -> None:
        self._encrypt_into = ChaCha20Poly1305(key).encrypt_into
        self._nonce = nonce

    def seal(self, chunks: Sequence[bytes | bytearray | memoryview]) -> bytearray:
        """Records of `chunks`, one each, ready to be sent in this order and before those of the next call.

        :raises LocalProtocolError: a chunk is longer than a record carries; nothing was sealed
        :raises SecurityError: all nonces are used up; close the channel
        """
        encrypt_into = self._encrypt_into
        nonce = self._nonce
        pack_nonce = NONCE.pack
        pack_length = LENGTH.pack_into
        size = 0
        for chunk in chunks:
            if len(chunk) > MAX_PLAINTEXT:
                raise LocalProtocolError(f"a Noise record carries at most {MAX_PLAINTEXT} bytes, not {len(chunk)}")
            size += len(chunk) + _OVERHEAD
        if nonce + len(chunks) > MAX_NONCE:
            raise SecurityError(f"{nonce} records were sent with this key, and no more may be: connect anew")
        records = bytearray(size)
        view = memoryview(records)
        start = 0
        for chunk in chunks:
            end = start + len(chunk) + _OVERHEAD
            pack_length(records, start, end - start - _HEAD_SIZE)
            encrypt_into(pack_nonce(nonce), chunk, None, view[start + _HEAD_SIZE : end])
            nonce += 1
            start = end
        self._nonce = nonce
        return records


class ReceiveCipher:
    """Opens records.

    :param key: 32 bytes, from the handshake
    :param nonce: the number of the first record
    """

    __slots__ = ("_decrypt", "_failed", "_nonce", "_partial")

    def __init__(self, key: bytes, *, nonce: int = 0) -> None:
        self._decrypt = ChaCha20Poly1305(key).decrypt
        self._nonce = nonce
        self._partial = bytearray()  # a record that has not arrived in full, from its length on
        self._failed = False

    @property
    def partial(self) -> int:
        """How many bytes are here of a record whose rest is missing."""
        return len(self._partial)

    def open(self, data: bytes | memoryview) -> list[bytes]:
        """The plaintexts of the records that `data` completes, in order; empty ones are left out. `data` is not kept.

        :raises SecurityError: a record is not authentic, or all nonces are used up; also each time after: close the
            channel. Records before the bad one are lost with it
        """
        if self._partial:
            start = self._fill(data)
            record = self._partial
            if len(record) < _HEAD_SIZE or len(record) < _HEAD_SIZE + LENGTH.unpack_from(record)[0]:
                return []
            self._partial = bytearray()
            return self.open(memoryview(record)) + self.open(data[start:])
        if self._failed:
            raise SecurityError("a record could not be authenticated before: this channel is of no use any more")
        decrypt = self._decrypt
        nonce = self._nonce
        pack_nonce = NONCE.pack
        unpack_length = LENGTH.unpack_from
        size = len(data)
        chunks: list[bytes] = []
        start = 0
        try:
            while start + _HEAD_SIZE <= size:
                begin = start + _HEAD_SIZE
                end = begin + unpack_length(data, start)[0]
                if end > size:
                    break
                if nonce == MAX_NONCE:
                    raise SecurityError(
                        f"the peer sent {nonce} records with this key, and no more may be: connect anew"
                    )
                if chunk := decrypt(pack_nonce(nonce), data[begin:end], None):
                    chunks.append(chunk)
                nonce += 1
                start = end
        except InvalidTag as error:
            self._failed = True
            raise SecurityError(
                f"expected record {nonce} of the Noise channel, got bytes that are not authentic: "
                "they were changed on their way, or made by somebody else"
            ) from error
        self._nonce = nonce
        if start < size:
            self._partial += data[start:]
        return chunks

    def _fill(self, data: bytes | memoryview) -> int:
        """Copies from the front of `data` what the record that has begun lacks. How many bytes those were."""
        partial = self._partial
        taken = min(max(_HEAD_SIZE - len(partial), 0), len(data))
        partial += data[:taken]
        if len(partial) >= _HEAD_SIZE:
            lacking = _HEAD_SIZE + LENGTH.unpack_from(partial)[0] - len(partial)
            partial += data[taken : taken + lacking]
            taken += lacking
        return taken
