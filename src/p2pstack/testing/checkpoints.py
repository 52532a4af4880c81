"""Cancelling a call at its k-th checkpoint: wherever it gives way to the event loop, it may have to end.

A checkpoint is where a coroutine hands over to the event loop, whichever that is. So they can be counted, and the call
be cancelled at each of them in turn: what it leaves behind must be whole every time.
"""

from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, Generic, TypeVar

from anyio import CancelScope

from p2pstack.errors import LocalProtocolError

__all__ = ["Interruption"]

T = TypeVar("T")


class Interruption(Generic[T]):
    """Makes one call, and cancels it at a checkpoint: `result = await Interruption(3).call(host.connect, addr)`.

    :param at: the checkpoint, counted from 1; 0 cancels before the call begins; None never cancels
    :raises LocalProtocolError: `at` is negative
    """

    def __init__(self, at: int | None) -> None:
        if at is not None and at < 0:
            raise LocalProtocolError(f"expected the number of a checkpoint, got {at}")
        self._at = at
        self._scope = CancelScope()
        #: checkpoints that the call has come to
        self.passed = 0
        #: whether the call came as far as the checkpoint at which it was to be cancelled
        self.struck = False

    @property
    def at(self) -> int | None:
        """The checkpoint at which the call is cancelled."""
        return self._at

    async def call(self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T | None:
        """The result of `function(*args)`; None where it was cancelled. Raises what it raises.

        A call that has its result already when it is cancelled returns it: whoever gets it owns it.
        """
        with self._scope:
            if self._at == 0:
                self._strike()
            return await _watched(function(*args), self._step)
        return None

    def _step(self) -> None:
        self.passed += 1
        if self.passed == self._at:
            self._strike()

    def _strike(self) -> None:
        self.struck = True
        self._scope.cancel()

    def __str__(self) -> str:
        return f"cancelled at checkpoint {self._at}"


@coroutine
def _watched(call: Coroutine[Any, Any, T], on_checkpoint: Callable[[], None]) -> Generator[Any, Any, T]:
    """Await `call`, telling each time it hands over to the event loop."""
    answer: Any = None
    error: BaseException | None = None
    while True:
        try:
            wish = call.send(answer) if error is None else call.throw(error)
        except StopIteration as end:
            return end.value
        on_checkpoint()
        try:
            answer, error = (yield wish), None
        except BaseException as raised:  # noqa: BLE001 - whatever it is, it is meant for the call
            answer, error = None, raised
