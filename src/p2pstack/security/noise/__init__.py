"""The secure channel of libp2p: Noise_XX_25519_ChaChaPoly_SHA256 with signed identities.

===============  ===================================================================================================
`frames.py`      messages behind two bytes of length, and how large they may be
`payload.py`     what the handshake's messages carry: identity, signature, muxers
`backend.py`     the cryptography under `noiseprotocol`
`handshake.py`   the handshake, without I/O
`cipher.py`      records once the handshake is over, in batches, without I/O
`transport.py`   `Noise`, the `SecureTransport`
`channel.py`     `NoiseChannel`, the `SecureChannel` it makes
===============  ===================================================================================================

Source: libp2p specs, noise, and connections, "inlined muxer negotiation".
"""

from p2pstack.security.noise.transport import Noise

__all__ = ["Noise"]
