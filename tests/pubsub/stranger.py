"""A peer written by hand: a host without pubsub that speaks it in raw bytes, and says what it likes.

What it sends is made by protobuf itself, and what it gets is kept as protobuf messages: nothing of what is tested takes
part.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from anyio import BrokenResourceError, ClosedResourceError, EndOfStream, Event, fail_after, sleep

from p2pstack import Host, Stream
from p2pstack.identity.keys import PrivateKey
from p2pstack.wire.framing import FrameDecoder, encode_frame
from p2pstack.wire.pb.pubsub_pb2 import RPC, ControlMessage, Message

PROTOCOL = "/meshsub/1.2.0"
PATIENCE = 40.0


async def until(condition: Callable[[], Any]) -> Any:
    """What `condition` returns, once that is true. Lets the event loop run meanwhile."""
    with fail_after(PATIENCE):
        while not (result := condition()):  # noqa: ASYNC110 - of anything at all
            await sleep(0.001)  # so that virtual time passes, where that is the clock
        return result


def rpc(*messages: Message, subscribe: Sequence[str] = (), **control: Any) -> RPC:
    """An RPC; what is named becomes its control message."""
    made = RPC(publish=messages)
    for topic in subscribe:
        made.subscriptions.add(subscribe=True, topic_id=topic)
    if control:
        made.control.CopyFrom(ControlMessage(**control))
    return made


def signed(key: PrivateKey, topic: str, data: bytes, number: int, **changes: Any) -> Message:
    """A message as its author makes it; `changes` are made before it is signed."""
    fields = {"from_peer": key.peer_id.to_bytes(), "data": data, "seqno": number.to_bytes(8, "big"), "topic": topic}
    message = Message(**{name: value for name, value in {**fields, **changes}.items() if value is not None})
    message.signature = key.sign(b"libp2p-pubsub:" + message.SerializeToString())
    return message


class Stranger:
    """One of them, connected to a host."""

    def __init__(self, host: Host, protocol: str) -> None:
        self.host = host
        self.protocol = protocol
        #: what it was told, in order
        self.told: list[RPC] = []
        #: how often a stream to it was opened
        self.streams: list[Stream] = []
        self.reads = True
        self._reading = Event()
        self.out: Stream | None = None

    @property
    def key(self) -> PrivateKey:
        return self.host.key

    async def serve(self, stream: Stream) -> None:
        self.streams.append(stream)
        if not self.reads:
            await Event().wait()
        decoder = FrameDecoder(limit=1 << 24, what="rpc")
        try:
            async for data in stream:
                decoder.receive_data(data)
                while (frame := decoder.next_frame()) is not None:
                    self.told.append(RPC.FromString(frame))
        except (EndOfStream, BrokenResourceError, ClosedResourceError):
            pass

    async def open(self) -> Stream:
        """A new stream to the host it is connected to."""
        (connection, *_) = self.host.connections
        self.out = await connection.open_stream(self.protocol)
        return self.out

    async def say(self, *rpcs: RPC | bytes) -> None:
        """Send RPCs on the last stream, the first one being opened for it."""
        out = self.out or await self.open()
        payloads = [said if isinstance(said, bytes) else said.SerializeToString() for said in rpcs]
        await out.send(b"".join(map(encode_frame, payloads)))

    async def say_bytes(self, data: bytes) -> None:
        out = self.out or await self.open()
        await out.send(data)

    def grafted(self, topic: str) -> bool:
        return any(graft.topic_id == topic for told in self.told for graft in told.control.graft)

    @property
    def messages(self) -> list[Message]:
        return [message for told in self.told for message in told.publish]


@asynccontextmanager
async def stranger(host: Host, to: Host, *, protocol: str = PROTOCOL, reads: bool = True) -> AsyncGenerator[Stranger]:
    """A stranger that lives in `host`, connected to `to`, which has opened a stream to it."""
    someone = Stranger(host, protocol)
    someone.reads = reads
    host.handle(protocol, handler=someone.serve)
    async with host:
        await host.connect(to.addrs[0])
        await until(lambda: someone.streams)
        yield someone
