"""Two who talk: one stream, and a microphone and a speaker on this side.

===========  ==========================================================================================================
`_listen`    microphone -> Opus -> queue. Where the network takes less than is said, the oldest frames go: what is late
             is worth nothing
`_send`      queue -> stream
`_receive`   stream -> jitter buffer
`_play`      jitter buffer -> Opus -> speaker, every 20 ms
`_measure`   a ping a second, and how good the call is
===========  ==========================================================================================================
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import cast

from anyio import EndOfStream, Event, create_task_group, current_time, move_on_after, sleep

from p2pstack import Messages, P2PError, Stream
from p2pstack.apps.call.jitter import JitterBuffer
from p2pstack.apps.call.messages import FRAME, Bye, Frame, Message, Ping, Pong, decode, encode
from p2pstack.apps.call.opus import OpusDecoder, OpusEncoder
from p2pstack.apps.call.quality import Clocks, Delays, Quality
from p2pstack.apps.call.session import CallSession, State
from p2pstack.apps.call.sound import Microphone, Speaker

__all__ = ["Conversation", "receive", "send"]

#: frames that wait to be sent
_QUEUE = 10
#: seconds without a word (pings come each second) until the other side is taken to be gone
_SILENCE = 10.0
_MILLION = 1_000_000


async def send(messages: Messages, message: Message) -> None:
    """Send one message."""
    await messages.send(encode(message))


async def receive(messages: Messages, session: CallSession) -> Message:
    """The next message, if it may come now; the end of the stream is a `Bye`.

    :raises RemoteProtocolError: it may not
    """
    try:
        message = decode(await messages.receive())
    except EndOfStream:
        message = Bye()
    session.receive(message)
    return message


class Conversation:
    """What happens from when a call is taken to when it is over.

    :param microphone: None: nothing is said
    :param speaker: None: nothing is heard
    :param clock: seconds since 1970
    :param on_quality: called each second
    :param ends_with_input: whether we hang up when the microphone, as it is a file, has no more to say
    """

    def __init__(
        self,
        stream: Stream,
        messages: Messages,
        session: CallSession,
        *,
        microphone: Microphone | None,
        speaker: Speaker | None,
        clock: Callable[[], float],
        on_quality: Callable[[Quality], None],
        ends_with_input: bool,
    ) -> None:
        self._stream = stream
        self._messages = messages
        self._session = session
        self._microphone = microphone
        self._speaker = speaker
        self._clock = clock
        self._on_quality = on_quality
        self._ends_with_input = ends_with_input
        self._jitter = JitterBuffer()
        self._clocks = Clocks()
        self._delays = Delays()
        self._frames: deque[Frame] = deque(maxlen=_QUEUE)
        self._control: deque[Ping | Pong] = deque(maxlen=_QUEUE)  # should they pile up, answers are late anyway
        self._all_said = self._finished = False
        self._wake = Event()

    @property
    def quality(self) -> Quality:
        """How good it is so far."""
        jitter, round_trip = self._jitter, self._clocks.round_trip
        median, worst = self._delays.quantiles(0.5, 0.95)
        return Quality(
            delay=median,
            worst_delay=worst,
            margin=round(jitter.margin * 1e3, 1),
            round_trip=None if round_trip is None else round_trip / 1e3,
            loss=round(jitter.loss, 4),
            concealed=jitter.concealed,
            frames=jitter.received,
        )

    async def run(self) -> None:
        """Talk until one of the two hangs up, says no more from a file, or is gone. Never raises what a peer causes but
        tells why it is over in its session.

        :raises OSError: a file or device of ours fails
        """
        session = self._session
        try:
            async with create_task_group() as tasks:
                if self._microphone is not None:
                    tasks.start_soon(self._listen, self._microphone)
                if self._speaker is not None:
                    tasks.start_soon(self._play, self._speaker)
                tasks.start_soon(self._measure)
                tasks.start_soon(self._send)
                await self._receive()
                if self._finished:
                    session.over_because = "all has been said"
                with move_on_after(1):
                    while self._speaker is not None and self._jitter.waiting:  # noqa: ASYNC110 - the speaker has a clock
                        await sleep(FRAME)  # the last words
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            _, rest = group.split((P2PError, OSError))
            if rest is not None:
                raise rest from None
            for error in _leaves(group):
                if isinstance(error, OSError):
                    raise error from None
            self._stream.reset()
            session.hang_up("the connection broke: " + "; ".join(str(error) for error in _leaves(group)))

    async def hang_up(self, because: str) -> None:
        """End it, and tell the other side."""
        if self._session.state is not State.OVER:
            self._session.hang_up(because)
            with move_on_after(1, shield=True), suppress(P2PError):  # who is gone need not be told
                await send(self._messages, Bye())

    # --- out

    async def _listen(self, microphone: Microphone) -> None:
        encoder, number = OpusEncoder(), 0
        while (spoken := await microphone.listen()) is not None:
            began, pcm = spoken
            self._frames.append(Frame(number, int(began * _MILLION), encoder.encode(pcm)))
            number += 1
            self._wake.set()
        self._all_said = True
        self._wake.set()

    async def _send(self) -> None:
        """Returns when all has been said, and that is to be the end: the other side hangs up once it has heard it."""
        while True:
            self._wake = Event()
            if self._control:
                await send(self._messages, self._control.popleft())
            elif self._frames:
                await send(self._messages, self._frames.popleft())
            elif self._all_said and self._ends_with_input:
                self._finished = True
                await send(self._messages, Bye())
                return
            else:
                await self._wake.wait()

    def _put(self, message: Ping | Pong) -> None:
        self._control.append(message)
        self._wake.set()

    # --- in

    async def _receive(self) -> None:
        session = self._session
        while session.state is State.TALKING:
            with move_on_after(_SILENCE) as waiting:
                match await receive(self._messages, session):
                    case Frame(number, at, opus):
                        self._jitter.put(number, at, opus, current_time())
                    case Ping(sent):
                        self._put(Pong(sent, self._now()))
                    case Pong() as pong:
                        self._clocks.answered(pong, self._now())
                    case _:
                        pass
            if waiting.cancelled_caught:
                session.hang_up("the other side fell silent")

    async def _play(self, speaker: Speaker) -> None:
        decoder = OpusDecoder()
        while True:
            heard = await speaker.turn()
            frame = self._jitter.take(current_time())
            if frame is None:
                await speaker.play(decoder.conceal())
                continue
            at, opus = frame
            if (offset := self._clocks.offset) is not None:
                self._delays.heard(at, int(heard * _MILLION), offset)
            await speaker.play(decoder.decode(opus))

    async def _measure(self) -> None:
        while True:
            self._put(Ping(self._now()))
            await sleep(1)
            self._on_quality(self.quality)

    def _now(self) -> int:
        return int(self._clock() * _MILLION)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("tuple[BaseException, ...]", error.exceptions):  # pyright: ignore[reportUnknownMemberType]
            yield from _leaves(inner)
    else:
        yield error
