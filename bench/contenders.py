"""The programs measured."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Contender", "contenders"]

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "interop" / "peers"


@dataclass(frozen=True, slots=True)
class Contender:
    """One implementation, on one event loop where it has several."""

    name: str
    command: tuple[str, ...]
    #: arguments behind the subcommand
    options: tuple[str, ...] = ()
    #: how much less it is given to carry, where it is slow: a factor on bytes and counts
    scale: float = 1.0
    ours: bool = False


def cache() -> Path:
    """Where interop/peers/build.sh puts what it builds."""
    base = os.environ.get("P2PSTACK_INTEROP_CACHE")
    if base:
        return Path(base)
    return Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "p2pstack" / "interop"


def contenders() -> list[Contender]:
    """All that can be measured on this machine."""
    ours = (sys.executable, str(PEERS / "p2pstack" / "peer.py"))
    found = [
        Contender(f"p2pstack {backend}", ours, ("--backend", backend), ours=True)
        for backend in ("asyncio", "uvloop", "trio")
    ]
    for name, label, scale in (("go", "go-libp2p", 1.0), ("rust", "rust-libp2p", 1.0), ("py", "py-libp2p", 1 / 32)):
        program = cache() / name / "peer"
        if program.exists():
            found.append(Contender(label, (str(program),), scale=scale))
    return found
