"""Calls between hosts: taken, declined, hung up, and by peers that do what they should not."""

from collections.abc import Callable, Sequence
from errno import ENOSPC
from typing import Any

import anyio
import pytest

from p2pstack import LocalProtocolError, P2PError
from p2pstack.apps.call import service as service_module
from p2pstack.apps.call.messages import (
    CALL,
    FRAME,
    MAX_MESSAGE,
    Accept,
    Bye,
    Decline,
    Frame,
    Offer,
    Ping,
    Pong,
    Ringing,
)
from p2pstack.apps.call.messages import decode as decode_message
from p2pstack.apps.call.messages import encode as encode_message
from p2pstack.apps.call.opus import FRAME_BYTES
from p2pstack.apps.call.quality import Quality
from p2pstack.apps.call.service import CallEnded, Phone, Sounds
from p2pstack.apps.call.session import State
from p2pstack.apps.call.sound import _Ticks
from p2pstack.streams import Messages

#: 200 Hz
BUZZ = (b"\x00\x20" * 120 + b"\x00\xe0" * 120) * 4


class Mouth:
    """Says so many frames."""

    def __init__(self, clock: Callable[[], float], frames: int) -> None:
        self.ticks, self.left = _Ticks(clock), frames
        self.closed = False

    async def listen(self) -> tuple[float, bytes] | None:
        if not self.left:
            return None
        self.left -= 1
        return await self.ticks.next() - FRAME, BUZZ

    def close(self) -> None:
        self.closed = True


class Ear:
    """Hears, and counts what is not silence."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.ticks, self.heard = _Ticks(clock), 0
        self.closed = False

    async def turn(self) -> float:
        return await self.ticks.next()

    async def play(self, pcm: bytes) -> None:
        assert len(pcm) == FRAME_BYTES
        self.heard += any(pcm)

    def close(self) -> None:
        self.closed = True


class Talker:
    """Somebody with a phone."""

    def __init__(self, name: str, *, says: int = 0, hears: bool = True, takes: bool | None = True) -> None:
        self.says, self.hears, self.takes = says, hears, takes
        self.states: list[tuple[State, str]] = []
        self.qualities: list[Quality] = []
        self.asked = anyio.Event()
        self.mouth: Mouth | None = None
        self.ear: Ear | None = None
        self.host: Any = None
        self.phone = Phone(
            name=name,
            open_sounds=self.open_sounds,
            on_state=lambda state, _, name: self.states.append((state, name)),
            on_quality=self.qualities.append,
            answer=self.answer,
        )

    def open_sounds(self) -> Sounds:
        self.mouth = Mouth(self.host.clock, self.says) if self.says else None
        self.ear = Ear(self.host.clock) if self.hears else None
        return Sounds(self.mouth, self.ear)

    async def answer(self, peer: Any, name: str) -> bool:
        self.asked.set()
        if self.takes is None:
            await anyio.sleep_forever()
        return bool(self.takes)


@pytest.fixture
async def meet(p2p_hosts: Any) -> Any:
    async def meet(*talkers: Talker) -> Sequence[Talker]:
        for talker in talkers:
            (talker.host,) = await p2p_hosts(1, services=lambda talker=talker: [talker.phone])
        return talkers

    return meet


async def test_both_speak_and_both_hear(meet: Any) -> None:
    ann, bob = await meet(Talker("ann", says=1_000), Talker("bob", says=70))
    with anyio.fail_after(120):
        ended = await bob.phone.call(ann.host.addrs[0])
        other = await ann.phone.wait_called()
    assert (ended.because, other.because) == ("all has been said", "the other side hung up")
    assert [state for state, _ in bob.states] == [State.CALLING, State.RINGING, State.TALKING]
    assert ann.states == [(State.RINGING, "bob"), (State.TALKING, "bob"), (State.OVER, "bob")]
    assert bob.states[-1] == (State.TALKING, "ann")
    for talker, end in ((ann, other), (bob, ended)):
        assert talker.ear.heard > 30
        assert talker.ear.closed
        assert talker.mouth.closed
        assert end.quality.frames > 30
        assert end.quality.round_trip is not None
        assert end.quality.delay is not None
        assert end.quality.delay >= 20
        assert talker.qualities


async def test_one_speaks_and_the_other_hears(meet: Any) -> None:
    ann, bob = await meet(Talker("ann"), Talker("bob", says=30, hears=False))
    with anyio.fail_after(120):
        await bob.phone.call(ann.host.addrs[0])
        ended = await ann.phone.wait_called()
    assert ann.ear.heard > 10
    assert ended.quality.frames == 30
    assert ended.quality.loss <= 0.1


async def test_a_call_is_declined(meet: Any) -> None:
    ann, bob = await meet(Talker("ann", takes=False), Talker("bob", says=30))
    with anyio.fail_after(120):
        assert await bob.phone.call(ann.host.addrs[0]) == CallEnded(ann.host.peer_id, "declined", None)
    assert ann.mouth is None


async def test_who_talks_is_busy(meet: Any) -> None:
    ann, bob, eve = await meet(Talker("ann", takes=None), Talker("bob", says=9), Talker("eve", says=9))
    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bob.phone.call, ann.host.addrs[0])
            await ann.asked.wait()
            assert (await eve.phone.call(ann.host.addrs[0])).because == "declined: busy"
            with pytest.raises(LocalProtocolError, match="one call at a time"):
                await bob.phone.call(eve.host.addrs[0])
            tasks.cancel_scope.cancel()


async def test_nobody_answers(meet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, bob = await meet(Talker("ann", takes=None), Talker("bob", says=9))
    monkeypatch.setattr(service_module, "RING", 0.1)
    with anyio.fail_after(120):
        assert (await bob.phone.call(ann.host.addrs[0])).because in ("nobody answers", "declined")


async def test_who_gives_up_is_not_asked_for_any_longer(meet: Any) -> None:
    ann, bob, eve = await meet(Talker("ann", takes=None), Talker("bob", says=9), Talker("eve", says=9))
    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bob.phone.call, ann.host.addrs[0])
            await ann.asked.wait()
            tasks.cancel_scope.cancel()
        while (State.OVER, "bob") not in ann.states:  # noqa: ASYNC110
            await anyio.sleep(0.01)
        ann.takes = True
        await eve.phone.call(ann.host.addrs[0])


async def test_who_hangs_up_or_vanishes_ends_the_call(meet: Any) -> None:
    ann, bob = await meet(Talker("ann"), Talker("bob", says=10_000))
    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bob.phone.call, ann.host.addrs[0])
            while ann.ear is None or not ann.ear.heard:  # noqa: ASYNC110
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        ended = await ann.phone.wait_called()
    assert ended.because in ("the other side hung up", "hung up here") or "broke" in ended.because
    assert ann.ear.closed


async def test_without_sound_no_call_is_taken(meet: Any) -> None:
    ann, bob = await meet(Talker("ann"), Talker("bob", says=9))

    def fail() -> Sounds:
        raise OSError("the disk is full")

    ann.phone._open_sounds = fail
    with anyio.fail_after(120):
        assert (await bob.phone.call(ann.host.addrs[0])).because == "declined: there is no sound here"
        assert await ann.phone.wait_called() == CallEnded(bob.host.peer_id, "the disk is full", None)


async def test_sound_that_fails_ends_the_call_and_says_so(meet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, bob = await meet(Talker("ann"), Talker("bob", says=1_000))

    async def play(self: Ear, pcm: bytes) -> None:
        if self is ann.ear:
            raise OSError(ENOSPC, "the disk is full")

    monkeypatch.setattr(Ear, "play", play)
    with anyio.fail_after(120):
        assert (await bob.phone.call(ann.host.addrs[0])).because == "the other side hung up"
        ended = await ann.phone.wait_called()
    assert (ended.because, ended.failed) == ("sound failed here: the disk is full", True)
    assert ann.ear.closed


async def test_sound_that_cannot_be_closed_keeps_nobody_waiting(meet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, bob = await meet(Talker("ann"), Talker("bob", says=5))

    def close(self: Ear) -> None:
        if self is ann.ear:
            raise OSError(ENOSPC, "the disk is full")

    monkeypatch.setattr(Ear, "close", close)
    with anyio.fail_after(60):
        await bob.phone.call(ann.host.addrs[0])
        assert (await ann.phone.wait_called()).because == "the other side hung up"


async def test_a_phone_needs_a_host() -> None:
    with pytest.raises(LocalProtocolError, match="Phone is not running"):
        await Talker("ann").phone.call("/ip4/127.0.0.1/tcp/1")


# --- hostile peers


async def rings(messages: Messages) -> None:
    await messages.send(encode_message(Offer("mallory")))
    assert decode_message(await messages.receive()) == Ringing()
    assert decode_message(await messages.receive()) == Accept("ann")


@pytest.mark.parametrize(
    "first",
    [b"\xff" * 50, b"\x80\x80\x80\x80\x08", b"\x05hello", encode_message(Bye()), b""],
    ids=lambda data: data[:2].hex(),
)
async def test_rubbish_instead_of_a_call(meet: Any, first: bytes) -> None:
    ann, mallory, bob = await meet(Talker("ann"), Talker("mallory"), Talker("bob", says=10))
    with anyio.fail_after(120):
        async with await mallory.host.open_stream(ann.host.addrs[0], CALL) as stream:
            if first:
                await stream.send(first)
            await stream.send_eof()
            with pytest.raises((P2PError, anyio.EndOfStream)):
                await stream.receive()
        assert not ann.asked.is_set()
        assert (await bob.phone.call(ann.host.addrs[0])).because == "all has been said"


async def test_a_flood_is_bounded_and_ends_with_its_stream(meet: Any) -> None:
    ann, mallory = await meet(Talker("ann"), Talker("mallory"))
    with anyio.fail_after(120):
        async with await mallory.host.open_stream(ann.host.addrs[0], CALL) as stream:
            messages = Messages(stream, limit=MAX_MESSAGE)
            await rings(messages)
            for number in range(2_000):
                await messages.send(encode_message(Frame(number * 7_919 % (1 << 32), 1, b"\xff" * 1_275)))
                await messages.send(encode_message(Ping(number)))
                await messages.send(encode_message(Pong(number, number)))
            await messages.send(encode_message(Offer("again")))  # not now
            with pytest.raises((P2PError, anyio.EndOfStream)):
                while True:
                    await messages.receive()
        ended = await ann.phone.wait_called()
    assert "expected Frame, Ping, Pong, Bye while talking, got Offer" in ended.because
    assert ended.quality.frames <= 2_000


async def test_who_falls_silent_is_not_waited_for_for_ever(meet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pstack.apps.call.conversation._SILENCE", 0.2)
    ann, mallory = await meet(Talker("ann"), Talker("mallory"))
    with anyio.fail_after(120):
        async with await mallory.host.open_stream(ann.host.addrs[0], CALL) as stream:
            await rings(Messages(stream, limit=MAX_MESSAGE))
            assert (await ann.phone.wait_called()).because == "the other side fell silent"


async def test_who_is_called_may_lie_too(meet: Any) -> None:
    ann, mallory = await meet(Talker("ann", says=10), Talker("mallory"))

    async def lie(stream: Any) -> None:
        messages = Messages(stream, limit=MAX_MESSAGE)
        await messages.receive()
        await messages.send(encode_message(Frame(1, 1, b"x")))
        await anyio.sleep_forever()

    mallory.host.unhandle(CALL)
    mallory.host.handle(CALL, handler=lie)
    with anyio.fail_after(120), pytest.raises(P2PError, match="expected Ringing, Accept, Decline, Bye while calling"):
        await ann.phone.call(mallory.host.addrs[0])
    assert ann.ear.closed
    assert Decline("x") != Decline("y")
