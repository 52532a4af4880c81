"""What can be typed."""

from typer import Typer

__all__ = ["commands"]

commands = Typer()
