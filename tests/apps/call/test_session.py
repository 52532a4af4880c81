"""What may come when, and how good a call is."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack import LocalProtocolError, RemoteProtocolError
from p2pstack.apps.call.messages import (
    MAX_MESSAGE,
    Accept,
    Bye,
    Decline,
    Frame,
    Offer,
    Ping,
    Pong,
    Ringing,
    decode,
    encode,
)
from p2pstack.apps.call.quality import LOOKAHEAD, Clocks, Delays
from p2pstack.apps.call.session import CallSession, State

ALL = [Offer("a"), Ringing(), Accept("b"), Decline("no"), Frame(1, 2, b"x"), Ping(1), Pong(1, 2), Bye()]


def session(state: State, *, caller: bool) -> CallSession:
    made = CallSession(caller=caller)
    made.state = state
    return made


@pytest.mark.parametrize(("message", "state", "caller"), list(product(ALL, State, [True, False])))
def test_what_may_come_comes_and_nothing_else(message: object, state: State, caller: bool) -> None:
    allowed = {
        State.CALLING: (Ringing, Accept, Decline, Bye),
        State.RINGING: (Ringing, Accept, Decline, Bye) if caller else (Bye,),
        State.TALKING: (Frame, Ping, Pong, Bye),
        State.OVER: (),
    }[state]
    call = session(state, caller=caller)
    if isinstance(message, allowed):
        call.receive(message)
    else:
        with pytest.raises(RemoteProtocolError, match=f"while {state.value}, got {type(message).__name__}"):
            call.receive(message)


def test_a_call_that_is_taken() -> None:
    caller, callee = CallSession(caller=True), CallSession(caller=False)
    caller.receive(Ringing())
    assert caller.state is callee.state is State.RINGING
    callee.accept()
    caller.receive(Accept("bob"))
    assert caller.state is callee.state is State.TALKING
    caller.hang_up("enough")
    caller.hang_up("again")
    callee.receive(Bye())
    assert (caller.over_because, callee.over_because) == ("enough", "the other side hung up")


@pytest.mark.parametrize(("reason", "because"), [("busy", "declined: busy"), ("", "declined")])
def test_a_call_that_is_not(reason: str, because: str) -> None:
    caller = CallSession(caller=True)
    caller.receive(Decline(reason))
    assert caller.state is State.OVER
    assert caller.over_because == because
    with pytest.raises(LocalProtocolError, match="nothing to accept while over"):
        caller.accept()


@pytest.mark.parametrize("message", ALL)
def test_messages_come_out_as_they_went_in(message: object) -> None:
    assert decode(encode(message)) == message


def test_the_largest_message_fits() -> None:
    frame = Frame((1 << 32) - 1, (1 << 53) - 1, b"x" * 1_275)
    assert len(encode(frame)) <= MAX_MESSAGE
    for beyond in (Frame(1, 1, b"x" * 1_276), Frame(1 << 32, 1, b"x"), Frame(1, 1, b""), Offer("x" * 65), Ping(-1)):
        with pytest.raises(RemoteProtocolError):
            decode(encode(beyond))


@given(data=st.binary(max_size=60))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    try:
        message = decode(data)
    except RemoteProtocolError:
        return
    assert decode(encode(message)) == message


def test_clocks_are_compared_by_the_fastest_ping() -> None:
    clocks = Clocks()
    assert clocks.offset is None
    assert clocks.round_trip is None
    clocks.answered(Pong(sent=1_000, answered=51_000), 9_000)  # 4 ms there, 4 ms back
    clocks.answered(Pong(sent=20_000, answered=71_500), 22_000)
    clocks.answered(Pong(sent=50_000, answered=0), 40_000)  # an answer before the question
    assert clocks.round_trip == 2_000
    assert clocks.offset == 50_500


def test_delays_go_from_mouth_to_ear() -> None:
    delays = Delays()
    assert list(delays.quantiles(0.5)) == [None]
    for delay in range(1, 101):
        delays.heard(1_000_000 + 7_000, 1_000_000 + delay * 1_000, 7_000)
    median, worst = delays.quantiles(0.5, 0.95)
    assert median == pytest.approx(50 + LOOKAHEAD * 1e3, abs=0.1)
    assert worst == pytest.approx(95 + LOOKAHEAD * 1e3, abs=0.1)
