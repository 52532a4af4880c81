"""Why something is not taken.

============  =========================================================  =====================
`Invalid`     no node may ever take it: whoever made it broke the rules  it is held against
                                                                         the peer that sent it
`Refused`     not here, or not now: another node may take it             nobody is to blame
`Orphan`      ... a block whose parent is not known                      ask for its ancestors
`StoreError`  the disk does not keep what it is given                    the node ends
============  =========================================================  =====================
"""

from p2pstack import P2PError

__all__ = ["Invalid", "Orphan", "Refused", "StoreError"]


class Invalid(P2PError):
    """A transfer or a block breaks the rules of the ledger."""


class Refused(P2PError):
    """A transfer or a block is not taken here, or not now."""


class Orphan(Refused):
    """The parent of a block is not known."""


class StoreError(P2PError):
    """The database cannot be read or written: no room, no permission, in use, or of another ledger."""
