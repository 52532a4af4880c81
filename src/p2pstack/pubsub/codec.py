"""RPCs: bytes to values here, and back in `pieces`. Pure.

Decoding is by hand, for three reasons. Elements are counted as they are met, so a million empty ones cost a peer its
RPC and us next to nothing. A message keeps the bytes it came in, so it is forwarded without being encoded again, and
what its signature is about is cut out of them. And a topic that is no text spoils its message alone.

Whoever makes a message writes each field at most once, in order of their numbers: the fast path takes those. What
protobuf allows beside it (another order, fields twice, unknown ones, a control message in parts) goes the slow path,
and means there what it means to a protobuf library. Groups, which protobuf gave up, are refused.

Source: libp2p specs, pubsub, "The RPC" and "The Message"; pubsub/gossipsub, "Protobuf" of 1.0 to 1.3; Protocol Buffers
documentation, "Encoding".
"""

from p2pstack.errors import RemoteProtocolError
from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.fields import FieldReader, encode_field, read_varint, text_of
from p2pstack.pubsub.pieces import MAX_RPC_SIZE, encode
from p2pstack.pubsub.rpc import RPC, Extensions, Graft, IDontWant, IHave, IWant, Partial, Prune, RawMessage, Subscribe
from p2pstack.pubsub.signing import SIGN_PREFIX
from p2pstack.wire.framing import FrameDecoder

__all__ = ["MAX_ELEMENTS", "MAX_RPC_SIZE", "RPCDecoder", "decode", "encode"]

#: subscriptions, messages, control messages, ids and peers in one RPC, all together
MAX_ELEMENTS = 5_000


#: RPCs in a row that say nothing: a byte each, they would cost more to take than to send
_MAX_IDLE = 100
#: what they are
_NOTHING = RPC()

#: keys of what a peer says of its extensions
_PARTIAL_MESSAGES = 10 << 3
_TEST_EXTENSION = 6_492_434 << 3


class RPCDecoder:
    """Cuts what a peer sends into RPCs: bytes in by `receive_data`, RPCs out by `next_rpc`.

    :param max_size: bytes of an RPC; one that is longer is refused by its length, before it has arrived
    :param max_elements: of one RPC, counted before they are decoded
    """

    __slots__ = ("_frames", "_idle", "_max_elements")

    def __init__(self, *, max_size: int = MAX_RPC_SIZE, max_elements: int = MAX_ELEMENTS) -> None:
        self._frames = FrameDecoder(limit=max_size, what="pubsub RPC")
        self._max_elements = max_elements
        self._idle = 0  # RPCs that said nothing, since the last one that did

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes as they came. Parses nothing: errors come from `next_rpc`."""
        self._frames.receive_data(data)

    def next_rpc(self) -> RPC | None:
        """The next RPC that says something; None where more bytes are needed.

        :raises RemoteProtocolError: too long, too many elements, no RPC, or too many that say nothing; the stream is of
            no more use
        """
        while (payload := self._frames.next_frame()) is not None:
            rpc = decode(payload, max_elements=self._max_elements)
            if rpc is not _NOTHING:
                self._idle = 0
                return rpc
            self._idle += 1
            if self._idle > _MAX_IDLE:
                raise RemoteProtocolError(f"pubsub RPC: expected some to say something, got {self._idle} that do not")
        return None


def decode(payload: bytes, *, max_elements: int = MAX_ELEMENTS) -> RPC:
    """The RPC in `payload`, which is without its length.

    :raises RemoteProtocolError: too many elements, or no RPC
    """
    try:
        return _Parser(max_elements).rpc(bytes(payload))
    except IndexError:
        raise RemoteProtocolError(
            f"pubsub RPC: expected whole fields, got {len(payload)} bytes that end in one"
        ) from None


class _Parser(FieldReader):
    """Parses one RPC. Running out of bytes shows as IndexError, or as a field that is longer than what holds it."""

    __slots__ = ()

    def rpc(self, data: bytes) -> RPC:
        messages: list[RawMessage] = []
        pos, end = 0, len(data)
        # Most RPCs are messages and nothing else.
        while pos < end and data[pos] == 0x12:
            size = data[pos + 1]
            pos += 2
            if size > 0x7F:
                size, pos = read_varint(data, pos - 1)
            stop = pos + size
            if stop > end:
                raise RemoteProtocolError(f"pubsub RPC: expected a message of {size} bytes, got {end - pos}")
            self.count()
            messages.append(self._message(data[pos:stop]))
            pos = stop
        if pos == end:
            return RPC(messages=messages) if messages else _NOTHING
        return self._mixed(data[pos:], messages)

    def _mixed(self, data: bytes, messages: list[RawMessage]) -> RPC:
        """An RPC of all kinds of things, behind the `messages` that it began with."""
        subscriptions: list[Subscribe] = []
        controls: list[bytes] = []
        partials: list[bytes] = []
        for key, value, _, _ in self.fields(data, (0x0A, 0x12)):
            if key == 0x0A:
                subscriptions.append(self._subscribe(value))
            elif key == 0x12:
                messages.append(self._message(value))
            elif key == 0x1A:
                controls.append(value)
            elif key == 0x52:
                partials.append(value)
        ihave: list[IHave] = []
        iwant: list[IWant] = []
        graft: list[Graft] = []
        prune: list[Prune] = []
        idontwant: list[IDontWant] = []
        extensions: list[bytes] = []
        # What comes in parts is, to protobuf, the parts behind each other.
        for key, value, _, _ in self.fields(b"".join(controls), (0x0A, 0x12, 0x1A, 0x22, 0x2A)):
            if key == 0x0A:
                ihave.append(self._ihave(value))
            elif key == 0x12:
                iwant.append(IWant(self._ids(value)))
            elif key == 0x1A:
                graft.append(self._graft(value))
            elif key == 0x22:
                prune.append(self._prune(value))
            elif key == 0x2A:
                idontwant.append(IDontWant(self._ids(value)))
            elif key == 0x32:
                extensions.append(value)
        if not any((subscriptions, messages, ihave, iwant, graft, prune, idontwant, extensions, partials)):
            return _NOTHING
        return RPC(
            subscriptions=subscriptions,
            messages=messages,
            ihave=ihave,
            iwant=iwant,
            graft=graft,
            prune=prune,
            idontwant=idontwant,
            extensions=self._extensions(b"".join(extensions)) if extensions else None,
            partial=self._partial(b"".join(partials)) if partials else None,
        )

    def _message(self, data: bytes) -> RawMessage:
        content = topic = b""
        source = sequence = signature = key = None
        last = pos = signed = 0
        end = len(data)
        while pos < end:
            tag = data[pos]
            if tag <= last or tag > 0x32 or tag & 7 != 2:
                return self._odd_message(data)
            last = tag
            size = data[pos + 1]
            pos += 2
            if size > 0x7F:
                size, pos = read_varint(data, pos - 1)
            stop = pos + size
            if stop > end:
                raise RemoteProtocolError(f"pubsub message: expected a field of {size} bytes, got {end - pos}")
            value = data[pos:stop]
            pos = stop
            if tag == 0x0A:
                source, signed = value, stop
            elif tag == 0x12:
                content, signed = value, stop
            elif tag == 0x1A:
                sequence, signed = value, stop
            elif tag == 0x22:
                topic, signed = value, stop
            elif tag == 0x2A:
                signature = value
            elif tag == 0x32:
                key = value
            else:
                raise RemoteProtocolError("pubsub message: expected fields of numbers from 1 on, got one of number 0")
        return _raw_message(topic, content, source, sequence, signature, key, data, data[:signed])

    def _odd_message(self, data: bytes) -> RawMessage:
        """A message with unknown fields, or with known ones twice or in another order."""
        values: dict[int, bytes] = {}
        unknown: list[bytes] = []
        start = 0
        for key, value, _, stop in self.fields(data):
            if key & 7 == 2 and key <= 0x32:
                values[key] = value
            else:
                unknown.append(data[start:stop])
            start = stop
        known = [encode_field(b"%c" % key, values[key]) for key in sorted(values) if key < 0x2A]
        get = values.get
        signed = b"".join(known + unknown)
        return _raw_message(get(0x22, b""), get(0x12, b""), get(0x0A), get(0x1A), get(0x2A), get(0x32), data, signed)

    def _subscribe(self, data: bytes) -> Subscribe:
        topic, flags = "", [0] * 5
        for key, value, number, _ in self.fields(data):
            if key == 0x12:
                topic = text_of(value)
            elif key in (0x08, 0x18, 0x20):
                flags[key >> 3] = number
        return Subscribe(topic, bool(flags[1]), bool(flags[3]), bool(flags[4]))

    def _ihave(self, data: bytes) -> IHave:
        topic, ids = "", list[bytes]()
        self.uncount()  # it counts by its ids, so that the 5,000 of one IHAVE of go-libp2p are within the limit
        for key, value, _, _ in self.fields(data, (0x12,)):
            if key == 0x12:
                ids.append(value)
            elif key == 0x0A:
                topic = text_of(value)
        if not ids:
            self.count()
        return IHave(topic, ids)

    def _ids(self, data: bytes) -> list[bytes]:
        self.uncount()
        ids = [value for key, value, _, _ in self.fields(data, (0x0A,)) if key == 0x0A]
        if not ids:
            self.count()
        return ids

    def _graft(self, data: bytes) -> Graft:
        topic = ""
        for key, value, _, _ in self.fields(data):
            if key == 0x0A:
                topic = text_of(value)
        return Graft(topic)

    def _prune(self, data: bytes) -> Prune:
        topic, backoff, peers = "", None, list[tuple[PeerId, bytes | None]]()
        for key, value, number, _ in self.fields(data, (0x12,)):
            if key == 0x0A:
                topic = text_of(value)
            elif key == 0x12:
                peers += self._peer(value)
            elif key == 0x18:
                backoff = number
        return Prune(topic, backoff, peers)

    def _peer(self, data: bytes) -> list[tuple[PeerId, bytes | None]]:
        """A peer, with its record; nothing where it has no peer id."""
        peer, record = b"", None
        for key, value, _, _ in self.fields(data):
            if key == 0x0A:
                peer = value
            elif key == 0x12:
                record = value
        try:
            return [(PeerId(peer), record)]
        except RemoteProtocolError:
            return []

    def _extensions(self, data: bytes) -> Extensions:
        flags = {_PARTIAL_MESSAGES: 0, _TEST_EXTENSION: 0}
        for key, _, number, _ in self.fields(data):
            if key in flags:
                flags[key] = number
        return Extensions(bool(flags[_PARTIAL_MESSAGES]), bool(flags[_TEST_EXTENSION]))

    def _partial(self, data: bytes) -> Partial:
        values: list[bytes | None] = [None] * 5
        for key, value, _, _ in self.fields(data):
            if key in (0x0A, 0x12, 0x1A, 0x22):
                values[key >> 3] = value
        return Partial(text_of(values[1] or b""), values[2] or b"", values[3], values[4])


def _raw_message(
    topic: bytes,
    data: bytes,
    source: bytes | None,
    sequence: bytes | None,
    signature: bytes | None,
    key: bytes | None,
    encoded: bytes,
    signed: bytes,
) -> RawMessage:
    try:
        text = str(topic, "utf-8")
    except UnicodeDecodeError:
        text = ""
    about = b"" if signature is None else SIGN_PREFIX + signed
    return RawMessage(text, data, source, sequence, signature, key, encoded, about)
