"""`/echo/1.0.0`: every byte comes back. The first thing one tries, and what `p2pstack node` serves."""

from p2pstack.protocols.echo.service import ECHO, Echo

__all__ = ["ECHO", "Echo"]
