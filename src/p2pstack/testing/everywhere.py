"""A scenario over and over, with a fault at each byte, or a cancellation at each checkpoint."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from p2pstack.abc.bytestream import RawStream
from p2pstack.errors import LocalProtocolError
from p2pstack.testing.checkpoints import Interruption
from p2pstack.testing.faults import Fault, FaultKind, FaultyStream, Way

__all__ = ["FaultPlan", "at_every_byte", "at_every_checkpoint"]

_MAX_CHECKPOINTS = 100_000


class FaultPlan:
    """The fault of one run, for the stream that the scenario gives it.

    :param fault: None: nothing goes wrong, and the bytes are counted
    :param waits: whether bytes count only once `arm` is called, so that what comes before is spared
    """

    def __init__(self, fault: Fault | None = None, *, waits: bool = False) -> None:
        self.fault = fault
        #: the stream with the fault, once there is one
        self.stream: FaultyStream | None = None
        self._waits = waits
        self._spared = dict.fromkeys(Way, 0)

    @property
    def struck(self) -> bool:
        """Whether the fault has come."""
        return self.stream is not None and bool(self.stream.struck)

    @property
    def harmless(self) -> bool:
        """Whether all has to go well: there is no fault, or one that only splits."""
        return self.fault is None or self.fault.kind is FaultKind.SPLIT

    def wrap(self, stream: RawStream) -> FaultyStream:
        """`stream` with the fault. The first that is given has it; others have none."""
        if self.stream is not None:
            return FaultyStream(stream)
        self.stream = FaultyStream(stream)
        if not self._waits:
            self.arm()
        return self.stream

    def arm(self) -> None:
        """Bytes count from here on.

        :raises LocalProtocolError: there is no stream yet
        """
        if self.stream is None:
            raise LocalProtocolError("the scenario gave no stream to plan.wrap")
        self._spared = {Way.SENT: self.stream.sent, Way.RECEIVED: self.stream.received}
        if self.fault is not None:
            self.stream.add(self.fault)

    def passed(self, way: Way) -> int:
        """The bytes that counted.

        :raises LocalProtocolError: there is no stream yet
        """
        if self.stream is None:
            raise LocalProtocolError("the scenario gave no stream to plan.wrap")
        return (self.stream.sent if way is Way.SENT else self.stream.received) - self._spared[way]

    def __str__(self) -> str:
        return str(self.fault) if self.fault else "no fault"


async def at_every_byte(
    scenario: Callable[[FaultPlan], Awaitable[Any]],
    *,
    kinds: Sequence[FaultKind] = (FaultKind.CUT, FaultKind.RESET, FaultKind.SPLIT),
    ways: Sequence[Way] = tuple(Way),
    step: int = 1,
    waits: bool = False,
) -> int:
    """Run `scenario` once with no fault, to see how many bytes go; then once for each kind, direction and byte.

    The scenario makes its stream, passes it through `plan.wrap`, and checks what comes of it: if `plan.harmless`, all
    has to go well. What it raises comes out with a note on the fault.

    :param step: only each so-many-th byte
    :param waits: whether bytes count only once the scenario calls `plan.arm`
    :returns: how often it was run
    """
    measure = FaultPlan(waits=waits)
    await scenario(measure)
    sizes = {way: measure.passed(way) for way in Way}
    runs = 1
    for kind in kinds:
        for way in ways:
            for at in range(0, sizes[way] + 1, step):
                plan = FaultPlan(Fault(kind, at, way), waits=waits)
                try:
                    await scenario(plan)
                except Exception as error:
                    error.add_note(f"... of {sizes[way]}: {plan}")
                    raise
                runs += 1
    return runs


async def at_every_checkpoint(scenario: Callable[[Interruption[Any]], Awaitable[Any]], *, step: int = 1) -> int:
    """Run `scenario` with its call cancelled before it begins, then at its first checkpoint, its second, and so on,
    until it comes to its end before that.

    The scenario makes the call by `interruption.call`, and checks what was left behind. What it raises comes out with a
    note on the checkpoint.

    :returns: how many checkpoints the call has
    """
    for at in range(0, _MAX_CHECKPOINTS, step):
        interruption = Interruption[Any](at)
        try:
            await scenario(interruption)
        except Exception as error:
            error.add_note(str(interruption))
            raise
        if not interruption.struck:
            return interruption.passed
    raise LocalProtocolError(f"the call goes on after {_MAX_CHECKPOINTS} checkpoints: expected one that ends")
