"""What nodes of the gossipsub harness tell on stdout: an object a line."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from network import node_key

__all__ = ["report_failures", "tell_complete", "tell_peer_id", "tell_received"]


def tell(message: str, **fields: object) -> None:
    # The harness looks for the very bytes "msg":"..."
    line = {"time": datetime.now(UTC).isoformat(), "msg": message, **fields}
    print(json.dumps(line, separators=(",", ":")), flush=True)


def tell_peer_id(node_id: int) -> None:
    """The first line of a node."""
    tell("PeerID", id=str(node_key(node_id).peer_id), node_id=node_id)


def tell_received(number: int, topic: str, received_from: str) -> None:
    """A message came, for the first time or again."""
    tell("Received Message", id=str(number), topic=topic, **{"from": received_from})


def tell_complete(group: int) -> None:
    """All parts of a group are here."""
    tell("All parts received", **{"group id": group})


def report_failures(failures: Sequence[BaseException]) -> int:
    """Say on stderr why a node failed, if it did; its exit code."""
    for failure in map(innermost, failures):
        print(f"error: {type(failure).__name__}: {failure}", file=sys.stderr)
    return 1 if failures else 0


def innermost(failure: BaseException) -> BaseException:
    """The first of a group, of groups, of failures."""
    inner: Sequence[BaseException] = getattr(failure, "exceptions", ())
    return innermost(inner[0]) if inner else failure
