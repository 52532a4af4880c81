"""A channel that only tells who the peers say they are: for tests and for measuring what security costs.

Nothing is encrypted and nobody proves anything. It is in no default.

================  ==================================================
`messages.py`     the one message: a peer id and its key
`handshake.py`    the exchange of it, without I/O
`transport.py`    `Plaintext`, the `SecureTransport`
`channel.py`      `PlaintextChannel`, the `SecureChannel` it makes
================  ==================================================

Source: libp2p specs, plaintext, `/plaintext/2.0.0`.
"""

from p2pstack.security.plaintext.transport import Plaintext

__all__ = ["Plaintext"]
