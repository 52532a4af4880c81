"""Waits for what becomes of shared texts."""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import anyio
import pytest

from p2pstack.apps.doc.messages import Kind
from p2pstack.apps.doc.service import SharedText

Until = Callable[..., Awaitable[None]]


@pytest.fixture
def until() -> Until:
    """Wait until something holds, looking again whenever something happens to one of these texts."""

    async def until(condition: Callable[[], bool], *texts: SharedText) -> None:
        changed = anyio.Event()

        def note(kind: Kind, content: bytes) -> None:
            changed.set()

        with anyio.fail_after(30), ExitStack() as stack:
            for text in texts:
                stack.enter_context(text.watch(note))
            while not condition():
                changed = anyio.Event()
                await changed.wait()

    return until
