"""The text for programs: edits as lines of JSON that come in, and what becomes of it as lines that go out."""

from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from anyio import Event, sleep
from msgspec import Meta

from p2pstack import LimitExceeded, LocalProtocolError
from p2pstack.apps.doc.messages import Kind
from p2pstack.apps.doc.service import SharedText

__all__ = ["obey", "tell"]

#: seconds between two lines with the text
_INTERVAL = 0.1

_Uint = Annotated[int, Meta(ge=0)]


class _Edit(msgspec.Struct, forbid_unknown_fields=True):
    """A line that comes in: one of the two. Of both, the first could be made and the second refused."""

    insert: tuple[_Uint, str] | None = None
    delete: tuple[_Uint, _Uint] | None = None


async def obey(shared: SharedText, lines: AsyncIterator[bytes], record: Callable[..., None]) -> None:
    """Make the edits that come in; each is answered when it is saved, or by what is wrong with it."""
    number = 0
    async for line in lines:
        number += 1
        try:
            edit = msgspec.json.decode(line, type=_Edit)
            if (edit.insert is None) == (edit.delete is None):
                raise LocalProtocolError("expected exactly one of insert and delete")
            if edit.insert is not None:
                await shared.insert(*edit.insert)
            if edit.delete is not None:
                await shared.delete(*edit.delete)
        except (msgspec.MsgspecError, LocalProtocolError, LimitExceeded) as error:
            record(event="refused", edit=number, error=str(error))
        else:
            record(event="saved", edit=number)


async def tell(shared: SharedText, record: Callable[..., None]) -> None:
    """Print the text whenever it has changed, and who edits, and how many have it."""
    changed = Event()

    def note(kind: Kind, content: bytes) -> None:
        changed.set()

    last: list[dict[str, Any]] = [{}, {}]
    with shared.watch(note):
        while True:
            changed = Event()
            text = str(shared)
            names = sorted(editor.name for editor in shared.editors)
            events: list[dict[str, Any]] = [
                {"event": "text", "text": text, "sha256": sha256(text.encode()).hexdigest()},
                {"event": "others", "members": sorted(map(str, shared.members)), "editors": names},
            ]
            for event, before in zip(events, last, strict=True):
                if event != before:
                    record(**event)
            last = events
            await sleep(_INTERVAL)
            await changed.wait()
