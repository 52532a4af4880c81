"""`p2pstack identify`: who a node is and what it speaks."""

from pathlib import Path

import anyio

from p2pstack.abc.events import PeerIdentified
from p2pstack.cli.hosts import make_host
from p2pstack.cli.output import Output
from p2pstack.cli.run import Failed

__all__ = ["identify"]

#: for the peer to have told of itself once it is connected, in seconds; our own side gives up earlier
_DEADLINE = 10.0


async def identify(output: Output, addr: str, *, key_file: Path | None) -> None:
    """Connect and print what the peer tells of itself."""
    async with make_host(key_file) as host:
        with host.events.subscribe(PeerIdentified) as events:
            connection = await host.connect(addr)
            with anyio.move_on_after(_DEADLINE):
                async for event in events:
                    if event.connection is connection:
                        break
                else:
                    raise Failed("the host ended before the peer had told of itself")
            ...
