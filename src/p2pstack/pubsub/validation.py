"""Checks messages: their signatures first, then by the application's validators.

=========  =========================================  ==============================================================
step       what                                       how
=========  =========================================  ==============================================================
signature  holds for the author's key                 many at a time, on several cores (`verifier`)
at once    validators that answer, in their order     one after the other, where the message is
later      from the first validator that has to wait  a task for each message, with a deadline
outcome    accept, reject or ignore                   told to whoever settles it, many at a time
=========  =========================================  ==============================================================

A topic without validators that wait costs no task, no lock and no deadline for a message. Those that wait are bounded,
in all and for each topic; a message above the bound is ignored, and told as a limit that was hit.

Source: libp2p specs, pubsub, "Message Signing" and "Topic Validation".
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anyio import TASK_STATUS_IGNORED, create_task_group, move_on_after, sleep_forever
from anyio.abc import TaskGroup, TaskStatus
from anyio.lowlevel import cancel_shielded_checkpoint

from p2pstack.abc.events import Event, LimitHit
from p2pstack.errors import LocalProtocolError
from p2pstack.pubsub.actions import Validate
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.rpc import RawMessage
from p2pstack.pubsub.signing import BAD_SIGNATURE, KeyRing
from p2pstack.pubsub.validators import Inquiry, Outcome, Validator, Verdict
from p2pstack.pubsub.verifier import Signature, Verifier

__all__ = ["FEW", "Outcome", "Validation", "ValidationConfig", "Validator", "Verdict"]

#: messages that are checked before other tasks get their turn: 2 ms where there is one core
FEW = 32
#: Threads beside the event loop's own that verify, for all that is in this process.
_THREADS = min(3, (os.cpu_count() or 1) - 1)
_SHARED = Verifier(threads=_THREADS)
_ALONE = Verifier(threads=0)

_TOO_SLOW = "its validators took too long"
_TOO_MANY = "too many messages wait for their validators"


def _cannot_be_forged(raw: RawMessage) -> bool:
    """Whether no other message can have the id of this one, whose signature holds if it has any: either its author
    answers for it, or there is nothing but data that an id could be made of."""
    return raw.signature is not None or (raw.source is None and raw.sequence is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationConfig:
    """How messages are checked.

    :raises LocalProtocolError: a figure is not above 0
    """

    #: Seconds that the validators of one message may take together. Those that do not wait are not interrupted.
    deadline: float = 10.0
    #: Messages, of all topics, whose validators wait for something.
    max_waiting: int = 1_024
    #: The same of one topic.
    max_waiting_per_topic: int = 256
    #: Whether signatures are verified on more than one core.
    parallel: bool = True

    def __post_init__(self) -> None:
        for name in ("deadline", "max_waiting", "max_waiting_per_topic"):
            if getattr(self, name) <= 0:
                raise LocalProtocolError(f"ValidationConfig: expected {name} above 0, got {getattr(self, name)!r}")


class Validation:
    """The checks of one node.

    :param settle: told the outcomes, in the order of the messages but for those whose validators wait; synchronous
    :param verified: told the messages whose validators wait, and that nobody can have forged: who hears of them before
        the outcome need not send them again
    :param emit: told the limits that are hit
    """

    __slots__ = (
        "_config",
        "_emit",
        "_inquiries",
        "_keys",
        "_settle",
        "_tasks",
        "_validators",
        "_verified",
        "_verifier",
        "_waiting",
        "_waits",
    )

    def __init__(
        self,
        settle: Callable[[Sequence[Outcome]], None],
        *,
        emit: Callable[[Event], None],
        verified: Callable[[Message], None] | None = None,
        config: ValidationConfig | None = None,
    ) -> None:
        self._settle = settle
        self._emit = emit
        self._verified = verified
        self._config = config or ValidationConfig()
        self._verifier = _SHARED if self._config.parallel else _ALONE
        self._keys = KeyRing()
        #: by topic; those of None are for all topics
        self._validators: dict[str | None, tuple[Validator, ...]] = {}
        self._tasks: TaskGroup | None = None
        #: those that a task is to wait for, or does
        self._inquiries: set[Inquiry] = set()
        #: messages whose validators wait, in all and by topic
        self._waiting = 0
        self._waits: dict[str, int] = {}

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Live until cancelled. Before and after, messages whose validators have to wait are ignored."""
        with self._verifier.use():
            try:
                async with create_task_group() as tasks:
                    self._tasks = tasks
                    task_status.started()
                    try:
                        await sleep_forever()
                    finally:
                        self._tasks = None  # nothing begins while the last ones end
            finally:
                while self._inquiries:  # whose task was cancelled before it began
                    self._inquiries.pop().give_up("the node ended")

    def add(self, topic: str | None, validator: Validator) -> None:
        """Ask `validator` about each message of a topic, behind those that were added before. None: of all topics."""
        self._validators[topic] = (*self._validators.get(topic, ()), validator)

    def remove(self, topic: str | None, validator: Validator) -> None:
        """Ask it no more.

        :raises LocalProtocolError: it was not asked
        """
        left = list(self._validators.get(topic, ()))
        if validator not in left:
            raise LocalProtocolError(f"expected a validator that was added for topic {topic!r}, got {validator!r}")
        left.remove(validator)
        self._validators[topic] = tuple(left)
        if not left:
            del self._validators[topic]

    async def check(self, batch: Sequence[Validate]) -> None:
        """Check messages of others, and settle all but those whose validators wait. Cancellation leaves none behind,
        and waits for some milliseconds where there are hundreds."""
        for start in range(0, len(batch), FEW):
            if start:
                await cancel_shielded_checkpoint()
            self.check_few(batch[start : start + FEW])

    def check_few(self, batch: Sequence[Validate]) -> None:
        """The same there and then, of `FEW` messages at most."""
        outcomes = self._check(batch)
        if outcomes:
            self._settle(outcomes)

    async def judge(self, message: Message) -> Outcome:
        """What the validators say of a message of our own. It counts towards no limit: its publisher waits."""
        inquiry = Inquiry(message, self._of(message.topic))
        return inquiry.ask() or await self._wait(inquiry)

    def _check(self, batch: Sequence[Validate]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for item, fault in zip(batch, self._verify(batch), strict=True):
            message = item.message
            if fault is not None:
                outcomes.append(Outcome(message, Verdict.REJECT, fault))
            elif not self._validators or not (validators := self._of(message.topic)):
                outcomes.append(Outcome(message, Verdict.ACCEPT))
            else:
                inquiry = Inquiry(message, validators)
                outcome = inquiry.ask() or self._postpone(inquiry)
                if outcome is not None:
                    outcomes.append(outcome)
                elif self._verified is not None and _cannot_be_forged(item.raw):
                    self._verified(message)
        return outcomes

    def _verify(self, batch: Sequence[Validate]) -> Sequence[str | None]:
        """For each message, what is wrong with its signature; None: it holds, or there is none."""
        faults: list[str | None] = [None] * len(batch)
        signatures: list[Signature] = []
        indices: list[int] = []
        for index, item in enumerate(batch):
            raw = item.raw
            if raw.signature is not None:
                key = self._keys.key_of(raw, item.message.source)
                if isinstance(key, str):
                    faults[index] = key
                else:
                    signatures.append((key, raw.signed, raw.signature))
                    indices.append(index)
        for index, holds in zip(indices, self._verifier.verify(signatures), strict=True):
            if not holds:
                faults[index] = BAD_SIGNATURE
        return faults

    def _of(self, topic: str) -> tuple[Validator, ...]:
        """The validators of a topic: those of all topics first."""
        validators = self._validators
        return validators.get(None, ()) + validators.get(topic, ())

    def _postpone(self, inquiry: Inquiry) -> Outcome | None:
        """Have a task wait for the validators, if there may be one more; otherwise the outcome."""
        config, topic = self._config, inquiry.message.topic
        waits = self._waits.get(topic, 0)
        for scope, limit, used in (
            ("pubsub messages whose validators wait", config.max_waiting, self._waiting),
            (f"pubsub messages of topic {topic!r} whose validators wait", config.max_waiting_per_topic, waits),
        ):
            if used >= limit:
                self._emit(LimitHit(scope, limit, used, inquiry.message.received_from))
                return inquiry.give_up(_TOO_MANY)
        if self._tasks is None:
            return inquiry.give_up("nobody is there to wait for its validators")
        self._waiting += 1
        self._waits[topic] = waits + 1
        self._inquiries.add(inquiry)
        self._tasks.start_soon(self._finish, inquiry, name="pubsub validation")
        return None

    async def _finish(self, inquiry: Inquiry) -> None:
        topic = inquiry.message.topic
        try:
            outcome = await self._wait(inquiry)
        finally:
            self._inquiries.discard(inquiry)
            self._waiting -= 1
            self._waits[topic] -= 1
            if not self._waits[topic]:
                del self._waits[topic]
        self._settle((outcome,))

    async def _wait(self, inquiry: Inquiry) -> Outcome:
        with move_on_after(self._config.deadline):
            return await inquiry.wait()
        return inquiry.give_up(_TOO_SLOW)
