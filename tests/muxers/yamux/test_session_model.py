"""Whatever two sessions do, and whatever bytes one of them is fed."""

import random
from itertools import pairwise
from struct import pack
from sys import getsizeof
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from p2pstack.errors import LimitExceeded, RemoteProtocolError
from p2pstack.muxers.budget import ReceiveBudget
from p2pstack.muxers.yamux.config import INITIAL_WINDOW, YamuxConfig
from p2pstack.muxers.yamux.events import SlotFreed, StreamOpened, StreamReadable, StreamWritable

_SIZE = st.sampled_from([0, 1, 13, 700, 5_000, 65_507, 65_519, 100_000, 131_000, INITIAL_WINDOW, 300_000])


class _Conversation(RuleBasedStateMachine):
    """Two sessions that open, write, read, close and reset at random, on a wire that cuts anywhere.

    The model: for each stream and direction the bytes written, and the bytes read."""

    make_link: Any

    @initialize(
        send_buffer=st.sampled_from([1, 50_000, 1 << 20]),
        record_size=st.sampled_from([100, 2_000, 65_519]),
        max_inbound=st.sampled_from([2, 100]),
        delay=st.sampled_from([0.0, 0.05]),
    )
    def start(self, send_buffer: int, record_size: int, max_inbound: int, delay: float) -> None:
        def config() -> YamuxConfig:
            return YamuxConfig(
                send_buffer=send_buffer,
                max_inbound_streams=max_inbound,
                max_outbound_streams=20,
                max_window=1 << 20,
                linger=10,
                keepalive_interval=1e9,
                budget=ReceiveBudget(8 << 20),
            )

        self.link = self.make_link(config(), config(), record_size=record_size, delay=delay)
        self.sides = (self.link.dialer, self.link.listener)
        self.wires = (bytearray(), bytearray())  # from each side, on its way
        self.streams: tuple[dict[int, Any], dict[int, Any]] = ({}, {})
        self.written: dict[tuple[int, int], bytearray] = {}
        self.read: dict[tuple[int, int], bytearray] = {}
        self.finished: set[tuple[int, int]] = set()  # closed for writing, and never reset
        self.was_reset: set[int] = set()
        self.closed_read: set[tuple[int, int]] = set()

    def _listen(self, which: int) -> None:
        side = self.sides[which]
        side.listen()
        while side.opened:
            stream = side.opened.pop()
            self.streams[which][stream.id] = stream

    @rule(which=st.integers(0, 1))
    def open(self, which: int) -> None:
        session = self.sides[which].session
        try:
            stream = session.open()
        except LimitExceeded:
            assert session.streams.outbound == 20
            return
        self.streams[which][stream.id] = stream

    @rule(which=st.integers(0, 1), size=_SIZE, seed=st.integers(0, 255))
    def write_to_all(self, which: int, size: int, seed: int) -> None:
        for stream in self.streams[which].values():
            if stream.ended or stream.finishing:
                continue
            body = random.Random(seed + stream.id).randbytes(size)
            credit = stream.send_credit
            sent = self.sides[which].session.write(stream, body)
            assert 0 <= sent <= min(size, credit)
            self.written.setdefault((which, stream.id), bytearray()).extend(body[:sent])

    @rule(which=st.integers(0, 1), size=_SIZE, keep=_SIZE)
    def read_of_all(self, which: int, size: int, keep: int) -> None:
        session = self.sides[which].session
        for stream in self.streams[which].values():
            body = session.read(stream, max(size, 1))
            assert len(body) <= max(size, 1)
            if (which, stream.id) not in self.closed_read:
                session.unread(stream, body[keep:])
                body = body[:keep]
            self.read.setdefault((which, stream.id), bytearray()).extend(body)

    @rule(data=st.data(), how=st.sampled_from(["write", "write", "read", "reset"]), code=st.integers(0, 0xFFFF_FFFF))
    def end(self, data: Any, how: str, code: int) -> None:
        which = data.draw(st.integers(0, 1))
        lively = [stream for stream in self.streams[which].values() if not stream.ended]
        if not lively:
            return
        stream = data.draw(st.sampled_from(lively))
        session = self.sides[which].session
        if how == "write":
            session.close_write(stream)
            self.finished.add((which, stream.id))
        elif how == "read":
            session.close_read(stream, self.link.now)
            self.closed_read.add((which, stream.id))
        else:
            session.reset(stream, code)
            self.was_reset.add(stream.id)

    @rule(which=st.integers(0, 1), limit=_SIZE)
    def send(self, which: int, limit: int) -> None:
        for chunk in self.sides[which].session.data_to_send(self.link.now, limit):
            self.wires[which].extend(chunk)
        self._listen(which)

    @rule(which=st.integers(0, 1), size=_SIZE)
    def deliver(self, which: int, size: int) -> None:
        wire = self.wires[which]
        data = bytes(wire[:size])
        del wire[:size]
        self.link.now += self.link.delay
        if data:
            self.sides[1 - which].session.receive_data(data, self.link.now)
            self._listen(1 - which)

    @rule()
    def exchange(self) -> None:
        for which in (0, 1):
            self.send(which, 131_000)
            self.deliver(which, 1 << 30)

    @invariant()
    def counts_hold(self) -> None:
        if not hasattr(self, "link"):
            return
        for side in self.sides:
            session = side.session
            table = list(session.streams)
            assert session.streams.inbound + session.streams.outbound == len(table)
            assert session.streams.unacknowledged == sum(not stream.acknowledged for stream in table)
            assert session._config.budget.used == sum(stream.unread for stream in table)
            assert session.bytes_queued == sum(stream.queued for stream in table)
            for stream in table:
                assert stream.unread == sum(map(len, stream.inbox))
                assert stream.queued == sum(map(len, stream.outbox))
                assert 0 <= stream.window.credit <= stream.window.size <= 1 << 20
                assert stream.unread <= stream.window.size

    @invariant()
    def bytes_are_those_sent_in_order(self) -> None:
        if not hasattr(self, "link"):
            return
        for (which, stream_id), read in self.read.items():
            written = self.written.get((1 - which, stream_id), b"")
            assert written[: len(read)] == read

    def teardown(self) -> None:
        if not hasattr(self, "link"):
            return
        self._move_all()
        # What was finished and not reset has come as a whole, to who still read it.
        for which in (0, 1):
            for stream_id, stream in self.streams[which].items():
                self.read.setdefault((which, stream_id), bytearray()).extend(self.sides[which].read_all(stream))
        self._move_all()
        self.bytes_are_those_sent_in_order()
        for which, stream_id in self.finished:
            peer = 1 - which
            if (
                stream_id in self.was_reset
                or stream_id not in self.streams[peer]
                or (peer, stream_id) in self.closed_read
            ):
                continue
            assert self.read.get((peer, stream_id), b"") == self.written.get((which, stream_id), b"")
            assert self.streams[peer][stream_id].fin_received
        for which in (0, 1):
            for stream in list(self.sides[which].session.streams):
                self.sides[which].session.close_write(stream)
                self.sides[which].session.close_read(stream, self.link.now)
        self._move_all()
        self.link.assert_at_rest()
        for side in self.sides:
            assert side.session.local_go_away is None

    def _move_all(self) -> None:
        while any(self.wires) or any(side.session.wants_to_send for side in self.sides):
            for which in (0, 1):
                self.send(which, 1 << 20)
                self.deliver(which, 1 << 30)


def test_two_sessions_agree_whatever_they_do(make_link: Any) -> None:
    class Conversation(_Conversation):
        pass

    Conversation.make_link = make_link
    run_state_machine_as_test(
        Conversation, settings=settings(max_examples=settings.default.max_examples // 2, stateful_step_count=60)
    )


def _told(side: Any) -> tuple[Any, ...]:
    """All that can be seen of a session whose peer said something."""
    told: list[tuple[str, int]] = []
    for event in side.session.events():
        match event:
            case StreamOpened(stream) | StreamReadable(stream) | StreamWritable(stream):
                told.append((type(event).__name__, stream.id))
            case SlotFreed():
                told.append(("SlotFreed", 0))
    streams = {
        stream.id: (b"".join(stream.inbox), stream.fin_received, stream.send_credit, stream.window.credit)
        for stream in side.session.streams
    }
    return set(told), streams, side.session.bytes_received, side.session.refused, side.flush()


_ID = st.sampled_from([0, 1, 2, 3, 5, 7, 0xFFFF_FFFF])
_LENGTH = st.one_of(st.integers(0, 300), st.sampled_from([INITIAL_WINDOW, INITIAL_WINDOW + 1, 1 << 24, 0xFFFF_FFFF]))


@st.composite
def _speech(draw: st.DrawFn) -> bytes:
    """Frames as a peer may send them, most of them sound."""
    data = b""
    for _ in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from([0, 0, 0, 1, 1, 2, 3, 4]))
        flags = draw(st.sampled_from([0, 0, 0, 1, 1, 2, 4, 5, 8, 9, 15, 0xFFFF]))
        stream_id = draw(_ID)
        if kind == 0:
            body = bytes(draw(st.integers(0, 300)))
            length = draw(st.sampled_from([len(body)] * 8 + [draw(_LENGTH)]))
            data += pack(">BBHII", 0, kind, flags, stream_id, length) + body
        else:
            version = draw(st.sampled_from([0] * 20 + [1]))
            data += pack(">BBHII", version, kind, flags, stream_id, draw(_LENGTH))
    return data


def _feed(side: Any, parts: list[bytes]) -> bool:
    try:
        for part in parts:
            side.session.receive_data(part, 0.0)
    except RemoteProtocolError:
        return False
    return True


@given(data=_speech(), cuts=st.lists(st.integers(0, 5_000), max_size=10))
def test_where_the_bytes_are_cut_changes_nothing(data: bytes, cuts: list[int], make_side: Any) -> None:
    whole, single, cut = make_side(), make_side(), make_side()
    for side in (whole, single, cut):
        side.session.open()
        side.session.open()
        side.flush()
    edges = sorted({0, len(data), *(edge for edge in cuts if edge < len(data))})
    sound = _feed(whole, [data])
    assert _feed(single, [data[i : i + 1] for i in range(len(data))]) == sound
    assert _feed(cut, [data[i:j] for i, j in pairwise(edges)]) == sound
    assert _told(whole) == _told(single) == _told(cut)


@given(
    parts=st.lists(st.one_of(st.binary(max_size=60), _speech()), max_size=8),
    opened=st.integers(0, 3),
    initiator=st.booleans(),
)
def test_any_bytes_give_events_or_a_remote_protocol_error(
    parts: list[bytes], opened: int, initiator: bool, make_side: Any
) -> None:
    side = make_side(initiator=initiator, max_inbound_streams=4)
    for _ in range(opened):
        side.session.open()
    sound = _feed(side, parts)
    assert len(side.session.streams) <= opened + 4
    received = sum(map(len, parts))
    assert sum(stream.unread for stream in side.session.streams) <= received
    assert len(side.session._receiver._partial) < 12
    assert side.session.local_go_away == (None if sound else 1)
    sent = side.flush()
    assert len(sent) <= received + 12 * (opened + 1)
    side.session.abandon()
    assert side.session._config.budget.used == 0


@pytest.mark.parametrize("size", [1, 1_023, 1_024, 16_384])
def test_a_window_of_tiny_frames_costs_little_more_than_its_bytes(size: int, make_side: Any, frame: Any) -> None:
    side = make_side()
    side.receive(frame(1, 1, 1))
    count = min(INITIAL_WINDOW // size, 50_000)
    for _ in range(count):
        side.receive(frame(0, 0, 1, body=bytes(size)))
    (stream,) = side.opened
    assert sum(map(getsizeof, stream.inbox)) < 1.3 * count * size + 2_000
    assert len(stream.inbox) < 300
