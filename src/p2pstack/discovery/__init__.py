"""Finding peers."""

from p2pstack.discovery.neighbours import Neighbours

__all__ = ["Neighbours"]
