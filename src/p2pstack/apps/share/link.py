"""The link to a content: what it is, and whom to ask first.

    p2pstack:share/<SHA-256 of the manifest>/<bytes>/<name>,<address>,<address>...

Nothing in it means anything to a shell. Size and name are for people: what counts is what the hash stands for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from p2pstack import LocalProtocolError, Multiaddr
from p2pstack.apps.share.merkle import HASH

__all__ = ["Link"]

_PREFIX = "p2pstack:share/"
#: addresses in a link
MAX_ADDRS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A link; `str(link)` is its text."""

    id: bytes
    size: int
    name: str
    addrs: Sequence[str] = ()

    def __str__(self) -> str:
        return ",".join([f"{_PREFIX}{self.id.hex()}/{self.size}/{quote(self.name, safe='')}", *self.addrs[:MAX_ADDRS]])

    @classmethod
    def parse(cls, text: str) -> "Link":
        """Of text.

        :raises LocalProtocolError: it is not a link
        """
        head, *addrs = text.strip().split(",")
        try:
            hexadecimal, size, name = head.removeprefix(_PREFIX).split("/")
            link = cls(
                id=bytes.fromhex(hexadecimal), size=int(size), name=unquote(name), addrs=tuple(addrs[:MAX_ADDRS])
            )
            if not head.startswith(_PREFIX) or len(link.id) != HASH or link.size < 0:
                raise ValueError("its hash or its size is not one")
            for addr in link.addrs:
                if not Multiaddr(addr).to_bytes():
                    raise ValueError("an address is empty")
        except Exception as error:  # noqa: BLE001 - multiaddr raises what its codecs do
            raise LocalProtocolError(
                f"not a link of p2pstack share: {error}; expected {_PREFIX}<hash>/<bytes>/<name>,<address>..."
            ) from None
        return link
