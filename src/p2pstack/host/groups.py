"""One error out of the groups that task groups make of it."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import cast

__all__ = ["ungrouped"]


@contextmanager
def ungrouped(levels: int) -> Generator[None]:
    """Let an exception come out as it was raised within `levels` task groups, where it was the only one.

    That there are task groups inside is nothing that the user of a host should have to know.
    """
    alone: BaseException | None = None
    try:
        yield
    except BaseExceptionGroup as group:
        alone = _only(group, levels)
    if alone is not None:
        context = alone.__context__
        try:
            raise alone
        finally:
            alone.__context__ = context  # not the group


def _only(error: BaseException, levels: int) -> BaseException:
    inner = cast("BaseExceptionGroup[BaseException]", error).exceptions if _is_group(error) else ()
    return _only(inner[0], levels - 1) if levels and len(inner) == 1 else error


def _is_group(error: BaseException) -> bool:
    return isinstance(error, BaseExceptionGroup)
