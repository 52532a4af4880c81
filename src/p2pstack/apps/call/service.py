"""`Phone`: calls others, and is called, one at a time. A service of a host."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from anyio import Event, create_task_group, fail_after, move_on_after, sleep_forever
from anyio.abc import TaskStatus

from p2pstack import AbstractHost, LocalProtocolError, Messages, P2PError, PeerId, RemoteProtocolError, Stream, Target
from p2pstack.apps.call.conversation import Conversation, receive, send
from p2pstack.apps.call.messages import CALL, MAX_MESSAGE, Accept, Decline, Offer, Ringing, decode
from p2pstack.apps.call.quality import Quality
from p2pstack.apps.call.session import CallSession, State
from p2pstack.apps.call.sound import Microphone, Speaker

__all__ = ["CallEnded", "Phone", "Sounds"]

#: seconds until it is known what a stream is for
_DEADLINE = 10.0
#: seconds for somebody to take a call
RING = 60.0


@dataclass(frozen=True, slots=True)
class Sounds:
    """What a call is spoken into and heard from. None: nothing is said, or heard."""

    microphone: Microphone | None
    speaker: Speaker | None

    def close(self) -> None:
        for sound in (self.microphone, self.speaker):
            if sound is not None:
                sound.close()


@dataclass(frozen=True, slots=True)
class CallEnded:
    """How a call ended, and how it was; `quality` is None where nobody took it.

    `failed` says that it ended as our microphone or speaker failed.
    """

    peer: PeerId
    because: str
    quality: Quality | None
    failed: bool = False


class Phone:
    """Calls, and is called.

    :param name: what the other side is told
    :param open_sounds: called before we call, and when we take a call
    :param on_state: called with each state of a call, and the name of the other side once it is known
    :param on_quality: called each second of a call
    :param answer: asked whether to take a call of a peer that gives a name; None: nobody can call
    """

    def __init__(
        self,
        *,
        name: str,
        open_sounds: Callable[[], Sounds],
        on_state: Callable[[State, PeerId, str], None],
        on_quality: Callable[[Quality], None],
        answer: Callable[[PeerId, str], Awaitable[bool]] | None = None,
    ) -> None:
        self._name = name[:64]
        self._open_sounds = open_sounds
        self._on_state = on_state
        self._on_quality = on_quality
        self._answer = answer
        self._busy = False
        self._wake = Event()
        self._ended: CallEnded | None = None
        self._host: AbstractHost | None = None

    async def run(self, host: AbstractHost, *, task_status: TaskStatus[None]) -> None:
        """Live: called by the host."""
        self._host = host
        if self._answer is not None:
            host.handle(CALL, handler=self._serve, max_streams_per_peer=2)
        task_status.started()
        await sleep_forever()

    async def wait_called(self) -> CallEnded:
        """Wait until a call of somebody that was taken is over."""
        while self._ended is None:
            self._wake = Event()
            await self._wake.wait()
        return self._ended

    async def call(self, target: Target) -> CallEnded:
        """Call somebody, and talk until it is over.

        :raises P2PError: they cannot be reached, or break the rules before they answer
        :raises OSError: a file or device of ours cannot be opened
        """
        host = self._host
        if host is None:
            raise LocalProtocolError("Phone is not running: give it to a host, Host(services=[phone])")
        if self._busy:
            raise LocalProtocolError("one call at a time: this one is not over")
        sounds = self._open_sounds()
        self._busy = True
        try:
            async with await host.open_stream(target, CALL) as stream:
                session, messages = CallSession(caller=True), Messages(stream, limit=MAX_MESSAGE)
                peer = stream.remote_peer
                await send(messages, Offer(self._name))
                self._on_state(State.CALLING, peer, "")
                name = ""
                with move_on_after(RING) as ringing:
                    while session.state in (State.CALLING, State.RINGING):
                        match await receive(messages, session):
                            case Ringing():
                                self._on_state(State.RINGING, peer, "")
                            case Accept(name):
                                pass
                            case _:
                                pass
                if ringing.cancelled_caught:
                    session.hang_up("nobody answers")
                if session.state is State.TALKING:
                    return await self._talk(stream, messages, session, name, sounds, ends_with_input=True)
                return CallEnded(peer, session.over_because, None)
        finally:
            sounds.close()
            self._busy = False

    async def _serve(self, stream: Stream) -> None:
        messages, session, peer = Messages(stream, limit=MAX_MESSAGE), CallSession(caller=False), stream.remote_peer
        with fail_after(_DEADLINE):
            offer = decode(await messages.receive())
            if not isinstance(offer, Offer):
                raise RemoteProtocolError(f"call: expected Offer, got {type(offer).__name__}")
            if self._busy or self._answer is None:
                await send(messages, Decline("busy"))
                return
        self._busy = True
        try:
            await send(messages, Ringing())
            self._on_state(State.RINGING, peer, offer.name)
            if await self._asked(messages, session, peer, offer.name):
                await self._take(stream, messages, session, offer.name)
            elif session.state is not State.OVER:
                session.hang_up("declined")
                await send(messages, Decline(""))
        finally:
            self._busy = False
            self._on_state(State.OVER, peer, offer.name)

    async def _asked(self, messages: Messages, session: CallSession, peer: PeerId, name: str) -> bool:
        """Whether the call is taken, before the caller gives up."""
        taken = False

        async def ask() -> None:
            nonlocal taken
            assert self._answer is not None  # else nobody could call
            taken = await self._answer(peer, name)
            tasks.cancel_scope.cancel()

        with move_on_after(RING):
            async with create_task_group() as tasks:
                tasks.start_soon(ask)
                try:
                    await receive(messages, session)  # nothing but a `Bye` can come
                except P2PError as error:
                    session.hang_up(f"the caller is gone: {error}")
                tasks.cancel_scope.cancel()
        return taken and session.state is State.RINGING

    async def _take(self, stream: Stream, messages: Messages, session: CallSession, name: str) -> None:
        try:
            sounds = self._open_sounds()
        except (OSError, LocalProtocolError) as error:
            await send(messages, Decline("there is no sound here"))
            self._end(CallEnded(stream.remote_peer, str(error), None))
            return
        session.accept()
        await send(messages, Accept(self._name))
        await self._talk(stream, messages, session, name, sounds, ends_with_input=False)

    async def _talk(
        self,
        stream: Stream,
        messages: Messages,
        session: CallSession,
        name: str,
        sounds: Sounds,
        *,
        ends_with_input: bool,
    ) -> CallEnded:
        assert self._host is not None  # it runs
        self._on_state(State.TALKING, stream.remote_peer, name)
        conversation = Conversation(
            stream,
            messages,
            session,
            microphone=sounds.microphone,
            speaker=sounds.speaker,
            clock=self._host.clock,
            on_quality=self._on_quality,
            ends_with_input=ends_with_input,
        )
        failed = False
        try:
            await conversation.run()
        except OSError as error:
            failed = True
            await conversation.hang_up(f"sound failed here: {error.strerror or error}")
        finally:  # who is called is cancelled where the connection ends
            try:
                sounds.close()
            finally:  # whoever waits for the end is told in any case
                await conversation.hang_up("hung up here")
                ended = CallEnded(stream.remote_peer, session.over_because, conversation.quality, failed)
                self._end(ended)
        return ended

    def _end(self, ended: CallEnded) -> None:
        self._ended = ended
        self._wake.set()
