"""What all suites share."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from inspect import getattr_static, iscoroutinefunction
from typing import Any, ClassVar

from anyio import BrokenResourceError, ClosedResourceError, EndOfStream

from p2pstack.errors import P2PError

__all__ = ["DEADLINE", "TYPED", "Conformance", "expected"]

#: seconds that a check may take: one that hangs fails
DEADLINE = 30.0

#: how what runs over a broken stream may end
TYPED = (P2PError, BrokenResourceError, ClosedResourceError, EndOfStream)


class Conformance:
    """Checks that an implementation of an interface does what the interface says.

    With pytest, a class whose name begins with `Test` is all there is to write; each check is a test. The tests await,
    so pytest must have anyio's plugin run them: `anyio_mode = "auto"`, or `pytestmark = pytest.mark.anyio`. Without
    pytest, `anyio.run(MySuite.run)` runs them all.
    """

    #: what is tested, as messages call it
    what: ClassVar[str] = "the implementation"

    def _made(self, *args: Any) -> Any:
        """What the suite's `make` makes, whatever kind of callable that is: it is not a method."""
        return getattr_static(type(self), "make")(*args)

    @classmethod
    def checks(cls) -> Sequence[str]:
        """The names of the checks, in their order."""
        names = (name for kind in reversed(cls.__mro__) for name in vars(kind) if name.startswith("test_"))
        return tuple(dict.fromkeys(names))

    @classmethod
    async def run(cls) -> None:
        """Run every check, each with an instance of its own. The first that fails raises, with a note that names it."""
        for name in cls.checks():
            check = getattr(cls(), name)
            try:
                if iscoroutinefunction(check):
                    await check()
                else:
                    check()
            except Exception as error:
                error.add_note(f"... in {cls.__qualname__}.{name}")
                raise


@contextmanager
def expected(*kinds: type[BaseException], when: str) -> Generator[None]:
    """Fail unless the block raises one of `kinds`; others come out as they are."""
    try:
        yield
    except kinds:
        return
    names = " or ".join(kind.__name__ for kind in kinds)
    raise AssertionError(f"expected {names} when {when}, and nothing was raised")
