"""Messages checked: signatures, validators that answer and validators that wait, and their bounds."""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from anyio import CancelScope, Event, create_task_group, fail_after, sleep_forever, wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from p2pstack.abc.events import LimitHit
from p2pstack.errors import LocalProtocolError
from p2pstack.identity.keys import PrivateKey
from p2pstack.pubsub.actions import Validate
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.rpc import RawMessage
from p2pstack.pubsub.signing import Author, SigningPolicy
from p2pstack.pubsub.validation import Validation, ValidationConfig
from p2pstack.pubsub.validators import Outcome, Verdict

ACCEPT, REJECT, IGNORE = Verdict
KEY = PrivateKey.generate()
AUTHOR = Author(KEY, SigningPolicy.STRICT_SIGN, first_sequence=0)
BARE = Author(KEY, SigningPolicy.STRICT_NO_SIGN, first_sequence=0)


def item(raw: RawMessage) -> Validate:
    source = None if raw.source is None else KEY.peer_id
    return Validate(Message(source, raw.topic, raw.data, raw.sequence, raw.encoded, KEY.peer_id, raw.encoded), raw)


def batch(count: int, topic: str = "t", author: Author = BARE) -> list[Validate]:
    return [item(author.write(topic, str(n).encode())) for n in range(count)]


class Desk:
    """A validation, and what came out of it."""

    def __init__(self, **options: Any) -> None:
        self.outcomes: list[Outcome] = []
        self.sizes: list[int] = []
        self.events: list[Any] = []
        self.verified: list[Message] = []
        self.validation = Validation(
            self.settle, verified=self.verified.append, emit=self.events.append, config=ValidationConfig(**options)
        )

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        self.outcomes += outcomes
        self.sizes.append(len(outcomes))

    @property
    def verdicts(self) -> list[Verdict]:
        return [outcome.verdict for outcome in self.outcomes]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Validation]:
        with fail_after(20):
            async with create_task_group() as tasks:
                await tasks.start(self._run)
                yield self.validation
                tasks.cancel_scope.cancel()

    async def _run(self, *, task_status: Any) -> None:
        await self.validation.run(task_status=task_status)


# --- signatures


@pytest.mark.parametrize("count", [1, 5, 40, 200])
@pytest.mark.parametrize("parallel", [True, False])
async def test_signatures_that_hold_are_told_from_those_that_do_not(count: int, parallel: bool) -> None:
    desk = Desk(parallel=parallel)
    items = batch(count, author=AUTHOR)
    bad = set(range(0, count, 3))
    items = [item(replace(i.raw, signed=i.raw.signed + b"!")) if n in bad else i for n, i in enumerate(items)]
    async with desk.open() as validation:
        await validation.check(items)
    assert [outcome.message for outcome in desk.outcomes] == [i.message for i in items]
    assert desk.verdicts == [REJECT if n in bad else ACCEPT for n in range(count)]
    assert {outcome.reason for outcome in desk.outcomes} <= {"", "its signature does not hold"}


async def test_a_key_that_is_not_the_authors_is_told_from_a_bad_signature() -> None:
    desk = Desk()
    other = PrivateKey.generate().public_key.to_protobuf()
    (signed,) = batch(1, author=AUTHOR)
    await desk.validation.check([item(replace(signed.raw, key=other)), signed, *batch(1)])
    assert [(o.verdict, o.reason) for o in desk.outcomes] == [
        (REJECT, "its key is not its author's"),
        (ACCEPT, ""),
        (ACCEPT, ""),
    ]


async def test_nothing_to_check_settles_nothing() -> None:
    desk = Desk()
    await desk.validation.check([])
    assert desk.sizes == []


async def test_others_get_their_turn_between_many_messages() -> None:
    desk = Desk()
    turns: list[int] = []

    async def other() -> None:
        while len(desk.outcomes) < 100:
            turns.append(len(desk.outcomes))
            await checkpoint()

    async with create_task_group() as tasks:
        tasks.start_soon(other)
        await checkpoint()
        await desk.validation.check(batch(100))
    assert max(desk.sizes) <= 32
    assert len(set(turns)) >= 2


async def test_cancellation_leaves_no_message_behind() -> None:
    desk = Desk()
    with CancelScope() as scope:
        scope.cancel()
        await desk.validation.check(batch(100))
    assert len(desk.outcomes) == 100


async def test_validators_see_only_messages_whose_signature_holds() -> None:
    desk = Desk()
    seen: list[bytes] = []
    desk.validation.add("t", lambda message: seen.append(message.data) is None)
    good, forged = batch(2, author=AUTHOR)
    await desk.validation.check([item(replace(forged.raw, signature=bytes(64))), good])
    assert seen == [good.message.data]


# --- validators that answer


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ([], ACCEPT),
        ([True], ACCEPT),
        ([False], REJECT),
        ([ACCEPT], ACCEPT),
        ([REJECT], REJECT),
        ([IGNORE], IGNORE),
        ([True, ACCEPT, True], ACCEPT),
        ([IGNORE, ACCEPT], IGNORE),
        ([IGNORE, REJECT], REJECT),
        ([ACCEPT, REJECT, "never asked"], REJECT),
    ],
)
@pytest.mark.parametrize(
    "waits", [(), (0,), (1,), (0, 1, 2)], ids=["answer", "first waits", "second waits", "all wait"]
)
async def test_what_validators_say_together(answers: list[Any], verdict: Verdict, waits: tuple[int, ...]) -> None:
    desk = Desk()
    asked: list[Any] = []

    def validator(index: int, answer: Any) -> Callable[[Message], Any]:
        async def later(message: Message) -> Any:
            await checkpoint()
            asked.append(answer)
            return answer

        def now(message: Message) -> Any:
            asked.append(answer)
            return answer

        return later if index in waits else now

    async with desk.open() as validation:
        for index, answer in enumerate(answers):
            validation.add("t", validator(index, answer))
        await validation.check(batch(3))
        await wait_all_tasks_blocked()
        assert desk.verdicts == [verdict] * 3
        assert "never asked" not in asked
        (own,) = batch(1)
        assert (await validation.judge(own.message)).verdict is verdict
    reasons = {ACCEPT: "", REJECT: "a validator rejected it", IGNORE: "a validator ignored it"}
    assert {outcome.reason for outcome in desk.outcomes} == {reasons[verdict]}


async def test_a_validator_is_asked_of_its_topic_and_one_without_a_topic_of_all() -> None:
    desk = Desk()
    asked: list[tuple[str, str]] = []
    for topic in (None, "a", "b"):
        desk.validation.add(topic, lambda message, topic=topic: asked.append((str(topic), message.topic)) is None)
    await desk.validation.check(batch(1, "a") + batch(1, "c"))
    assert asked == [("None", "a"), ("a", "a"), ("None", "c")]


async def test_a_validator_that_was_removed_is_asked_no_more() -> None:
    desk = Desk()

    def never(message: Message) -> bool:
        return False

    desk.validation.add("t", never)
    desk.validation.add("t", never)
    desk.validation.remove("t", never)
    await desk.validation.check(batch(1))
    desk.validation.remove("t", never)
    await desk.validation.check(batch(1))
    assert desk.verdicts == [REJECT, ACCEPT]
    with pytest.raises(LocalProtocolError, match="expected a validator that was added for topic 't'"):
        desk.validation.remove("t", never)


async def test_outcomes_of_validators_that_answer_keep_the_order_of_the_messages() -> None:
    desk = Desk()
    desk.validation.add("odd", lambda message: False)
    items = [one for pair in zip(batch(20, "t"), batch(20, "odd"), strict=True) for one in pair]
    await desk.validation.check(items)
    assert [outcome.message for outcome in desk.outcomes] == [i.message for i in items]
    assert desk.verdicts == [ACCEPT, REJECT] * 20
    assert desk.sizes == [32, 8]


def fails(message: Message) -> bool:
    raise ValueError("a mistake of the application")


async def fails_later(message: Message) -> bool:
    await checkpoint()
    raise ValueError("a mistake of the application")


@pytest.mark.parametrize("validator", [fails, fails_later])
async def test_a_validator_that_fails_ignores_the_message_and_is_logged(
    validator: Any, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk()
    async with desk.open() as validation:
        validation.add("t", validator)
        await validation.check(batch(1))
        await wait_all_tasks_blocked()
    assert desk.verdicts == [IGNORE]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "of topic 't' failed; the message is ignored" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is ValueError


@pytest.mark.parametrize("answer", [None, 1, 0, "accept"])
async def test_a_validator_that_gives_no_answer_ignores_the_message_and_is_told(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk()
    desk.validation.add("t", lambda message: answer)
    await desk.validation.check(batch(1))
    assert desk.verdicts == [IGNORE]
    assert f"answered {answer!r}: expected a Verdict or a bool" in caplog.text


async def test_a_validator_that_fails_does_not_hide_one_that_rejects(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.validation.add("t", fails)
    desk.validation.add("t", lambda message: False)
    await desk.validation.check(batch(1))
    assert desk.verdicts == [REJECT]


# --- validators that wait


async def test_a_message_whose_validators_wait_does_not_hold_up_others() -> None:
    desk = Desk()
    gate = Event()

    async def waits(message: Message) -> bool:
        await gate.wait()
        return True

    async with desk.open() as validation:
        validation.add("slow", waits)
        await validation.check([*batch(2, "slow"), *batch(2, "t")])
        assert [outcome.message.topic for outcome in desk.outcomes] == ["t", "t"]
        gate.set()
        await wait_all_tasks_blocked()
        assert [outcome.message.topic for outcome in desk.outcomes] == ["t", "t", "slow", "slow"]


async def test_who_waits_for_validators_is_told_of_as_verified_unless_it_may_be_forged() -> None:
    desk, may_answer = Desk(), Event()

    async def waits(message: Message) -> bool:
        await may_answer.wait()
        return True

    lax = Author(KEY, SigningPolicy.LAX_NO_SIGN, first_sequence=0)
    (signed,), (bare,), (unsigned,) = (batch(1, "waits", author) for author in (AUTHOR, BARE, lax))
    unsigned = replace(unsigned, raw=replace(unsigned.raw, source=KEY.peer_id.to_bytes(), sequence=bytes(8)))
    forged = replace(signed, raw=replace(signed.raw, signed=b"other"))
    async with desk.open() as validation:
        validation.add("waits", waits)
        validation.add("at once", lambda message: True)
        await validation.check([forged, unsigned, bare, signed, *batch(1, "at once", AUTHOR)])
        assert desk.verified == [bare.message, signed.message]
        assert desk.verdicts == [REJECT, ACCEPT]
        may_answer.set()
        await wait_all_tasks_blocked()
    assert desk.verdicts.count(ACCEPT) == 4


async def blocks(message: Message) -> bool:
    await sleep_forever()
    return True


async def test_what_waits_is_bounded_for_each_topic_and_in_all() -> None:
    desk = Desk(max_waiting=5, max_waiting_per_topic=3)
    async with desk.open() as validation:
        for topic in "ab":
            validation.add(topic, blocks)
        await validation.check(batch(4, "a"))
        assert [(o.message.topic, o.verdict, o.reason) for o in desk.outcomes] == [
            ("a", IGNORE, "too many messages wait for their validators")
        ]
        await validation.check(batch(3, "b"))
        assert [o.message.topic for o in desk.outcomes] == ["a", "b"]
        # A topic without validators that wait is none the wiser.
        await validation.check(batch(1, "c"))
        assert desk.verdicts == [IGNORE, IGNORE, ACCEPT]
    assert desk.events == [
        LimitHit("pubsub messages of topic 'a' whose validators wait", 3, 3, KEY.peer_id),
        LimitHit("pubsub messages whose validators wait", 5, 5, KEY.peer_id),
    ]


async def test_there_is_room_again_when_validators_have_answered() -> None:
    desk = Desk(max_waiting=2)
    gate = Event()

    async def waits(message: Message) -> bool:
        await gate.wait()
        return True

    async with desk.open() as validation:
        validation.add("t", waits)
        await validation.check(batch(2))
        await wait_all_tasks_blocked()
        gate.set()
        await wait_all_tasks_blocked()
        await validation.check(batch(2))
        await wait_all_tasks_blocked()
    assert desk.verdicts == [ACCEPT] * 4
    assert validation._waits == {}


async def test_validators_that_take_too_long_ignore_the_message() -> None:
    desk = Desk(deadline=0.02)
    async with desk.open() as validation:
        validation.add("t", blocks)
        await validation.check(batch(1))
        while not desk.outcomes:
            await checkpoint()
        (own,) = batch(1)
        assert (await validation.judge(own.message)).reason == "its validators took too long"
    assert [(o.verdict, o.reason) for o in desk.outcomes] == [(IGNORE, "its validators took too long")]


@pytest.mark.parametrize("at_once", [True, False])
async def test_what_waits_when_the_node_ends_is_cancelled_and_what_comes_after_is_ignored(at_once: bool) -> None:
    desk = Desk()
    ended: list[bool] = []

    async def waits(message: Message) -> bool:
        try:
            await sleep_forever()
        finally:
            ended.append(True)
        return True

    async with desk.open() as validation:
        validation.add("t", waits)
        await validation.check(batch(2))
        if not at_once:
            await wait_all_tasks_blocked()
    assert ended == [True, True]
    assert desk.outcomes == []
    await validation.check(batch(1))
    assert [(o.verdict, o.reason) for o in desk.outcomes] == [(IGNORE, "nobody is there to wait for its validators")]


async def test_a_publisher_who_gives_up_stops_the_validators_of_the_message() -> None:
    desk = Desk()
    desk.validation.add("t", blocks)
    (own,) = batch(1)
    with CancelScope() as scope:
        scope.cancel()
        await desk.validation.judge(own.message)
    assert scope.cancelled_caught


@pytest.mark.parametrize("name", ["deadline", "max_waiting", "max_waiting_per_topic"])
def test_a_figure_that_makes_no_sense_is_told(name: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"expected {name} above 0, got 0"):
        ValidationConfig(**{name: 0})  # type: ignore[arg-type]


async def test_nothing_begins_while_the_last_ones_end() -> None:
    desk, began, gate = Desk(), Event(), Event()

    async def lingers(message: Message) -> Verdict:
        with CancelScope(shield=True):
            began.set()
            await gate.wait()
        return ACCEPT

    desk.validation.add("t", lingers)
    first, second = batch(2)
    with fail_after(20):
        async with create_task_group() as tasks:
            await tasks.start(desk.validation.run)
            await desk.validation.check([first])
            await began.wait()
            tasks.cancel_scope.cancel()
            with CancelScope(shield=True):
                for _ in range(3):
                    await checkpoint()
                desk.validation.check_few([second])
            gate.set()
    assert [(o.verdict, o.reason) for o in desk.outcomes][:1] == [
        (IGNORE, "nobody is there to wait for its validators")
    ]
