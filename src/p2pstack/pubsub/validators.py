"""What the application says of a message: its validators, asked one after the other.

The first that rejects decides; otherwise one that ignores does; otherwise the message is accepted. One that fails, or
gives no answer, ignores: that is a fault of ours, which no peer shall pay for.

Source: libp2p specs, pubsub, "Topic Validation".
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from enum import Enum
from inspect import isawaitable
from typing import Any, TypeAlias, cast

from p2pstack.pubsub.message import Message
from p2pstack.pubsub.values import value

__all__ = ["Inquiry", "Outcome", "Validator", "Verdict"]

logger = logging.getLogger(__name__)


class Verdict(Enum):
    """What a validator says of a message."""

    #: Deliver it, and pass it on.
    ACCEPT = "accept"
    #: Drop it, and hold it against whoever sent it: no honest peer would have passed it on.
    REJECT = "reject"
    #: Drop it, and blame nobody: it is of no use, or it cannot be told whether it is.
    IGNORE = "ignore"


#: True accepts, False rejects.
Answer: TypeAlias = Verdict | bool
#: Looks at a message and answers: a function, or an async one where it has to wait for something.
Validator: TypeAlias = Callable[[Message], Answer | Awaitable[Answer]]


@value
class Outcome:
    """What became of a message."""

    message: Message
    verdict: Verdict
    #: Why it is not accepted; empty where it is.
    reason: str = ""


class Inquiry:
    """Asks validators about one message: those that answer at once by `ask`, from the first that does not by `wait`."""

    __slots__ = ("_pending", "_validator", "_validators", "_verdict", "message")

    def __init__(self, message: Message, validators: Iterable[Validator]) -> None:
        self.message = message
        self._validators = iter(validators)
        self._validator: Validator | None = None
        self._pending: Awaitable[Answer] | None = None
        self._verdict = Verdict.ACCEPT

    def ask(self) -> Outcome | None:
        """The outcome; None where a validator has to wait, and the others behind it were not asked."""
        for validator in self._validators:
            self._validator = validator
            try:
                answer = validator(self.message)
            except Exception:  # noqa: BLE001 - whatever the application raises
                answer = self._failed()
            if isawaitable(answer):
                self._pending = answer
                return None
            if self._take(answer):
                break
        return self._outcome()

    async def wait(self) -> Outcome:
        """The outcome, after `ask` gave none."""
        while (pending := self._pending) is not None:
            self._pending = None
            try:
                answer = await pending
            except Exception:  # noqa: BLE001 - whatever the application raises
                answer = self._failed()
            if self._take(answer):
                break
            if outcome := self.ask():
                return outcome
        return self._outcome()

    def give_up(self, reason: str) -> Outcome:
        """Ignore the message, whatever its validators would say."""
        pending, self._pending = self._pending, None
        if isinstance(pending, Coroutine):
            cast("Coroutine[Any, Any, Answer]", pending).close()
        return Outcome(self.message, Verdict.IGNORE, reason)

    def _take(self, answer: object) -> bool:
        """Whether an answer decides."""
        if answer is False or answer is Verdict.REJECT:
            self._verdict = Verdict.REJECT
            return True
        if answer is Verdict.IGNORE:
            self._verdict = Verdict.IGNORE
        elif answer is not True and answer is not Verdict.ACCEPT:
            logger.error(
                "the validator %r of topic %r answered %r: expected a Verdict or a bool; the message is ignored",
                self._validator, self.message.topic, answer,
            )  # fmt: skip
            self._verdict = Verdict.IGNORE
        return False

    def _failed(self) -> Verdict:
        logger.exception(
            "the validator %r of topic %r failed; the message is ignored", self._validator, self.message.topic
        )
        return Verdict.IGNORE

    def _outcome(self) -> Outcome:
        verdict = self._verdict
        return Outcome(self.message, verdict, _REASONS[verdict])


_REASONS = {
    Verdict.ACCEPT: "",
    Verdict.REJECT: "a validator rejected it",
    Verdict.IGNORE: "a validator ignored it",
}
