"""What can be typed."""

from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, BadParameter, Option, Typer

from p2pstack.cli.options import Connect, Data, Json, Listen, Loop, end
from p2pstack.cli.output import Output, printable
from p2pstack.cli.run import Backend, Failed, run

if TYPE_CHECKING:
    from p2pstack import Host, PeerId
    from p2pstack.apps.call.quality import Quality
    from p2pstack.apps.call.service import CallEnded, Sounds
    from p2pstack.apps.call.session import State

__all__ = ["commands"]

commands = Typer()

#: seconds to find out where a peer is
_SEARCH = 30.0


@commands.command()
def call(
    peer: Annotated[
        str | None,
        Argument(
            metavar="PEER|ADDR", help="Whom to call: an address, or a peer id with --connect. None: wait for calls."
        ),
    ] = None,
    source: Annotated[
        Path | None, Option("--input", metavar="FILE", help="A file with sound to say. Default: the microphone")
    ] = None,
    target: Annotated[
        Path | None, Option("--output", metavar="FILE.wav", help="Where to write what is heard. Default: the speaker")
    ] = None,
    answer: Annotated[bool, Option("--answer", help="Take the first call, without being asked.")] = False,
    listen: Listen = None,
    connect: Connect = None,
    name: Annotated[str, Option(metavar="NICK", help="What the other side is told.")] = "",
    data: Data = None,
    backend: Loop = Backend.ASYNCIO,
    json: Json = False,
) -> None:
    """Speak with somebody, or wait to be called.

    Prints the delay from mouth to ear, and what gets lost, each second. Ends when one of the two hangs up (ctrl-c), or
    the caller's --input is over.
    """
    if peer is None and not listen and not connect:
        raise BadParameter("give somebody to call, or an address to --listen on for calls")
    output = Output(as_json=json)

    def command() -> Awaitable[None]:
        return _Call(output, source=source, target=target, name=name).run(
            peer, listen=listen or [], connect=connect or [], folder=data, asks=not answer
        )

    end(run(command, backend=backend, serves=True))


class _Call:
    """One run of the command."""

    def __init__(self, output: Output, *, source: Path | None, target: Path | None, name: str) -> None:
        self._output = output
        self._source = source
        self._target = target
        self._name = name

    async def run(
        self, peer: str | None, *, listen: Sequence[str], connect: Sequence[str], folder: Path | None, asks: bool
    ) -> None:
        from p2pstack import Host, Neighbours
        from p2pstack.apps.call.service import Phone
        from p2pstack.apps.call.sound import portaudio
        from p2pstack.apps.storage import data_folder, identity

        if not self._source and not self._target and portaudio() is None:
            raise Failed("there is neither microphone nor speaker here: give --input FILE, --output FILE.wav or both")
        output = self._output
        phone = Phone(
            name=self._name,
            open_sounds=self._open_sounds,
            on_state=self._tell_state,
            on_quality=self._tell_quality,
            answer=None if peer is not None else self._ask if asks else _yes,
        )
        services = [phone, Neighbours(connect, network="call")]
        async with Host(listen=listen, key=identity(folder or data_folder("call")), services=services) as host:
            addrs = output.listening(host)
            if peer is None:
                output.facts(peer_id=str(host.peer_id), listening_on=addrs)
                ended = await phone.wait_called()
            else:
                ended = await phone.call(peer if peer.startswith("/") else await self._find(host, peer))
        self._tell_end(ended)

    async def _find(self, host: "Host", text: str) -> "PeerId":
        """Wait until it is known where a peer is."""
        from anyio import move_on_after, sleep

        from p2pstack import PeerId

        peer = PeerId.parse(text)
        with move_on_after(_SEARCH):
            while not host.connections_to(peer) and not host.peerstore.addrs(peer):  # noqa: ASYNC110 - nobody tells
                await sleep(0.1)
            return peer
        raise Failed(f"nobody said where {peer} is: give its address, or somebody who knows it to --connect to")

    # --- sound

    def _open_sounds(self) -> "Sounds":
        from time import time

        from p2pstack.apps.call.service import Sounds
        from p2pstack.apps.call.sound import DeviceMicrophone, DeviceSpeaker, FileMicrophone, FileSpeaker, portaudio

        module = None if self._source and self._target else portaudio()
        microphone = speaker = None
        if self._source is not None:
            microphone = FileMicrophone(self._source, clock=time)
        elif module is not None:
            microphone = DeviceMicrophone(module, clock=time)
        try:
            if self._target is not None:
                speaker = FileSpeaker(self._target, clock=time)
            elif module is not None:
                speaker = DeviceSpeaker(module, clock=time)
        except OSError:
            if microphone is not None:
                microphone.close()
            raise
        for what, sound in (("microphone: nothing is said", microphone), ("speaker: nothing is heard", speaker)):
            if sound is None:
                self._output.say(f"there is no {what}")
        return Sounds(microphone, speaker)

    # --- telling

    async def _ask(self, peer: "PeerId", name: str) -> bool:
        """Ask whoever sits here whether to take a call. Who says nothing, as the input ends, declines."""
        from anyio import DelimiterNotFound, IncompleteRead
        from anyio.streams.buffered import BufferedByteReceiveStream

        from p2pstack.cli.pipes import StandardInput

        self._output.say("take it? (yes, or anything else)")
        try:
            line = await BufferedByteReceiveStream(StandardInput()).receive_until(b"\n", 1_024)
        except (IncompleteRead, DelimiterNotFound):
            return False
        return line.strip().lower() in (b"y", b"yes", b"accept")

    def _tell_state(self, state: "State", peer: "PeerId", name: str) -> None:
        from p2pstack.apps.call.session import State

        self._output.record(event=state.value, peer_id=str(peer), name=name)
        text = {
            State.CALLING: f"calling {peer}",
            State.RINGING: f"{name or peer} calls" if name else f"it rings at {peer}",
            State.TALKING: f"talking to {name or peer}; ctrl-c hangs up",
            State.OVER: "over",
        }[state]
        self._output.say(printable(text))

    def _tell_quality(self, quality: "Quality") -> None:
        from dataclasses import asdict

        self._output.record(event="quality", **asdict(quality))
        self._output.say(_text_of(quality))

    def _tell_end(self, ended: "CallEnded") -> None:
        """The last line.

        :raises Failed: nobody took the call, or our sound failed
        """
        from dataclasses import asdict

        if ended.quality is None:
            raise Failed(f"no call with {ended.peer}: {ended.because}")
        facts = asdict(ended.quality)
        self._output.record(event="ended", peer_id=str(ended.peer), because=ended.because, **facts)
        if ended.failed:
            raise Failed(f"the call with {ended.peer} ended: {ended.because}")
        self._output.say(f"{ended.because}; {_text_of(ended.quality)}")


async def _yes(peer: "PeerId", name: str) -> bool:
    return True


def _text_of(quality: "Quality") -> str:
    delay = "not known" if quality.delay is None else f"{quality.delay:.0f} ms (95 %: {quality.worst_delay:.0f} ms)"
    return f"mouth to ear {delay}, {quality.loss:.1%} lost, {quality.concealed} x 20 ms made up"
