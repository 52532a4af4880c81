"""A peer that says what it likes.

Everything is written by hand, and by a Noise library with its own cryptography: nothing of what is attacked takes part
in the attack. An `Attacker` goes as far up as a test wants it to and stops there, or says something else:

    attacker = await Attacker.dial(host.addrs[0])       a TCP connection, and not a byte on it
    await attacker.send(HEADER + line("/noise"))        bytes of its own on that
    await attacker.secure()                             or all that leads to a secure channel
    await attacker.send_frames(frame(DATA, SYN, 1, 5))  yamux frames, no matter which
    await attacker.open(1, "/ipfs/ping/1.0.0")          or a stream, up to its protocol
"""

import socket
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from struct import Struct
from types import TracebackType
from typing import Any, Self

from anyio import (
    AsyncContextManagerMixin,
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    Event,
    aclose_forcefully,
    connect_tcp,
    create_task_group,
    create_tcp_listener,
)
from anyio.abc import ByteStream, SocketAttribute
from multiaddr import Multiaddr
from noise.connection import Keypair, NoiseConnection

from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId

YAMUX = "/yamux/1.0.0"
DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8

_HEADER = Struct(">BBHII")
_RECORD = 65_519


def varint(number: int) -> bytes:
    encoded = b""
    while number >= 0x80:
        encoded += bytes([number & 0x7F | 0x80])
        number >>= 7
    return encoded + bytes([number])


def line(text: str) -> bytes:
    """A message of multistream-select."""
    body = text.encode() + b"\n"
    return varint(len(body)) + body


HEADER = line("/multistream/1.0.0")


def field(number: int, value: bytes | str) -> bytes:
    """A length-delimited field of a protobuf message."""
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def delimited(message: bytes) -> bytes:
    """A message behind its length."""
    return varint(len(message)) + message


def frame(kind: int, flags: int, stream: int, length: int, body: bytes = b"") -> bytes:
    """A yamux frame, whose length may be a lie."""
    return _HEADER.pack(0, kind, flags, stream, length) + body


def data(stream: int, body: bytes, flags: int = 0) -> bytes:
    return frame(DATA, flags, stream, len(body), body)


def noise_payload(
    key: bytes, signature: bytes, *, muxers: Iterable[str] = (YAMUX,), extensions: Iterable[bytes] | None = None
) -> bytes:
    """The payload of the Noise handshake of libp2p."""
    inner = b"".join(field(2, muxer) for muxer in muxers) if extensions is None else b"".join(extensions)
    return field(1, key) + field(2, signature) + (field(4, inner) if inner else b"")


def signed_record(
    key: PrivateKey,
    peer: PeerId | None = None,
    *,
    seq: int = 1,
    addrs: Iterable[bytes] = (),
    domain: bytes = b"libp2p-peer-record",
) -> bytes:
    """A signed envelope with the record of a peer: of whoever signs it, unless of another."""
    entries = b"".join(field(3, field(1, addr)) for addr in addrs)
    payload = field(1, (peer or key.peer_id).to_bytes()) + b"\x10" + varint(seq) + entries
    signature = key.sign(delimited(domain) + delimited(b"\x03\x01") + delimited(payload))
    return field(1, key.public_key.to_protobuf()) + field(2, b"\x03\x01") + field(3, payload) + field(5, signature)


def address_of(addr: Multiaddr) -> tuple[str, int]:
    """Host and port of a TCP address."""
    _, _, host, _, port, *_ = str(addr).split("/")
    return host, int(port)


@dataclass(frozen=True)
class Frame:
    kind: int
    flags: int
    stream: int
    length: int
    body: bytes = b""


class Attacker:
    """One connection of a peer that behaves badly.

    :param stream: to the one that is attacked
    :param identity: whom it shows to be; somebody new unless given
    :param dialled: whether it did, or was dialled
    """

    def __init__(self, stream: ByteStream, *, identity: PrivateKey | None = None, dialled: bool = True) -> None:
        self.stream = stream
        self.identity = identity or PrivateKey.generate()
        self.dialled = dialled
        self.noise: Any = None
        self.overheard = b""  # a signature of somebody else's
        self._received = bytearray()  # of the stream
        self._opened = bytearray()  # of the secure channel

    @classmethod
    async def dial(
        cls, addr: Multiaddr, *, identity: PrivateKey | None = None, receive_buffer: int | None = None
    ) -> Self:
        """Call a host.

        :param receive_buffer: bytes that the kernel takes for it
        """
        stream = await connect_tcp(*address_of(addr))
        if receive_buffer is not None:
            stream.extra(SocketAttribute.raw_socket).setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        return cls(stream, identity=identity)

    @property
    def peer_id(self) -> PeerId:
        return self.identity.peer_id

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stream.aclose()

    # --- bytes

    async def send(self, data: bytes) -> None:
        await self.stream.send(data)

    async def receive(self, size: int) -> bytes:
        """So many bytes, and no fewer."""
        while len(self._received) < size:
            self._received += await self.stream.receive()
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    async def drain(self) -> bytes:
        """All that still comes, up to when either side closes or breaks the connection."""
        with suppress(EndOfStream, BrokenResourceError, ClosedResourceError):
            while True:
                self._received += await self.stream.receive()
        return bytes(self._received)

    # --- multistream-select and Noise

    async def receive_line(self) -> str:
        size = (await self.receive(1))[0]
        if size >= 0x80:
            size = size & 0x7F | (await self.receive(1))[0] << 7
        return (await self.receive(size))[:-1].decode()

    async def propose(self, protocol: str) -> None:
        """Negotiate a protocol on the bare stream, as whichever side it is."""
        if self.dialled:
            await self.send(HEADER + line(protocol))
        assert await self.receive_line() == "/multistream/1.0.0"
        assert await self.receive_line() == protocol
        if not self.dialled:
            await self.send(HEADER + line(protocol))

    def start_noise(self, *, static: bytes | None = None) -> bytes:
        """Begin the handshake; returns the public static key, which the identity is to sign."""
        noise = self.noise = NoiseConnection.from_name(b"Noise_XX_25519_ChaChaPoly_SHA256")
        noise.set_as_initiator() if self.dialled else noise.set_as_responder()
        noise.set_keypair_from_private_bytes(Keypair.STATIC, static or PrivateKey.generate().raw[:32])
        noise.start_handshake()
        return bytes(noise.noise_protocol.keypairs["s"].public_bytes)

    def signature(self, static_key: bytes) -> bytes:
        return self.identity.sign(b"noise-libp2p-static-key:" + static_key)

    async def secure(self, *, payload: bytes | None = None, muxers: Sequence[str] = (YAMUX,)) -> None:
        """Everything up to a secure channel on which a muxer is agreed.

        :param payload: shown in place of what is right
        """
        await self.propose("/noise")
        static_key = self.start_noise()
        if payload is None:
            key = self.identity.public_key.to_protobuf()
            payload = noise_payload(key, self.signature(static_key), muxers=muxers)
        if self.dialled:
            await self.send_message(self.noise.write_message())
            self.noise.read_message(await self.receive_message())
            await self.send_message(self.noise.write_message(payload))
        else:
            self.noise.read_message(await self.receive_message())
            await self.send_message(self.noise.write_message(payload))
            self.noise.read_message(await self.receive_message())

    async def send_message(self, message: bytes) -> None:
        await self.send(len(message).to_bytes(2, "big") + message)

    async def receive_message(self) -> bytes:
        return await self.receive(int.from_bytes(await self.receive(2), "big"))

    def seal(self, plaintext: bytes) -> bytes:
        """The records that carry `plaintext`."""
        records: list[bytes] = []
        for start in range(0, len(plaintext), _RECORD):
            record = self.noise.encrypt(plaintext[start : start + _RECORD])
            records += (len(record).to_bytes(2, "big"), record)
        return b"".join(records)

    # --- yamux

    async def send_frames(self, *frames: bytes) -> None:
        await self.send(self.seal(b"".join(frames)))

    async def receive_plain(self, size: int) -> bytes:
        while len(self._opened) < size:
            self._opened += self.noise.decrypt(await self.receive_message())
        taken = bytes(self._opened[:size])
        del self._opened[:size]
        return taken

    async def receive_frame(self) -> Frame:
        _, kind, flags, stream, length = _HEADER.unpack(await self.receive_plain(12))
        body = await self.receive_plain(length) if kind == DATA else b""
        return Frame(kind, flags, stream, length, body)

    async def until(self, kind: int, flags: int = 0, *, stream: int | None = None) -> Frame:
        """The next frame of this kind with at least these flags; what comes before it is dropped."""
        while True:
            got = await self.receive_frame()
            if got.kind == kind and got.flags & flags == flags and stream in (None, got.stream):
                return got

    @staticmethod
    def opening(stream: int, protocol: str, first: bytes = b"") -> bytes:
        """The frame that opens a stream and speaks `protocol` on it, with its first bytes."""
        return data(stream, HEADER + line(protocol) + first, SYN)

    async def open(self, stream: int, protocol: str, first: bytes = b"") -> None:
        """Open a stream and speak `protocol` on it, with its first bytes in the same write."""
        await self.send_frames(self.opening(stream, protocol, first))

    async def until_end(self, stream: int) -> Frame:
        """The frame that ends a stream, in order or not."""
        while True:
            got = await self.until(WINDOW_UPDATE, stream=stream)
            if got.flags & (FIN | RST):
                return got

    async def read(self, stream: int, size: int) -> bytes:
        """So many bytes of what a stream carries."""
        received = b""
        while len(received) < size:
            received += (await self.until(DATA, stream=stream)).body
        return received

    async def ping(self, stream: int) -> None:
        """Open a stream, ping once on it, and end it: the connection is of use."""
        begin = HEADER + line("/ipfs/ping/1.0.0")
        await self.open(stream, "/ipfs/ping/1.0.0", bytes(32))
        assert await self.read(stream, len(begin) + 32) == begin + bytes(32)
        await self.send_frames(frame(WINDOW_UPDATE, FIN, stream, 0))

    async def accept(self, protocol: str) -> int:
        """The next stream that the other side opens, once it has got what it proposes: it was to be `protocol`."""
        stream = (await self.until(WINDOW_UPDATE, SYN)).stream
        proposal = HEADER + line(protocol)
        assert (await self.read(stream, len(proposal))).startswith(proposal)
        await self.send_frames(data(stream, proposal))
        return stream

    async def accept_identify(self) -> int:
        """The stream on which the other side asks who this is."""
        return (await self.until(WINDOW_UPDATE, SYN)).stream

    async def identify(self, *messages: bytes, protocol: str = "/ipfs/id/1.0.0") -> int:
        """Answer who this is, with `messages` as they are, and end the stream."""
        stream = await self.accept_identify()
        await self.send_frames(data(stream, HEADER + line(protocol)))
        for message in messages:
            await self.send_frames(data(stream, message))
        await self.send_frames(frame(WINDOW_UPDATE, FIN, stream, 0))
        return stream


class Deaf(AsyncContextManagerMixin):
    """Listens, accepts, and says nothing. `called` is set at the first call; whoever calls becomes an attacker."""

    def __init__(self) -> None:
        self.called = Event()
        self.callers: list[Attacker] = []

    @property
    def addr(self) -> str:
        return f"/ip4/127.0.0.1/tcp/{self._listener.extra(SocketAttribute.local_port)}"

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self]:
        async with await create_tcp_listener(local_host="127.0.0.1") as self._listener, create_task_group() as tasks:
            tasks.start_soon(self._accept)
            try:
                yield self
            finally:
                tasks.cancel_scope.cancel()
                with CancelScope(shield=True):
                    for caller in self.callers:
                        await aclose_forcefully(caller.stream)

    async def _accept(self) -> None:
        (listener,) = self._listener.listeners
        while True:
            self.callers.append(Attacker(await listener.accept(), dialled=False))
            self.called.set()
