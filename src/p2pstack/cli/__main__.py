"""Where the command `p2pstack` begins."""

import os
import sys
from io import TextIOWrapper
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line in `sys.argv` and exit: 0 success, 1 an error, 2 wrong usage, 128 + n ended by signal n."""
    _mend_standard_streams()
    try:
        from typer import Abort, TyperException

        from p2pstack.cli.app import app
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("typer", "rich"):
            raise
        sys.exit("p2pstack: the command needs the packages of the extra `cli`: pip install 'p2pstack[cli]'")
    try:
        sys.exit(app(prog_name="p2pstack", standalone_mode=False))
    except TyperException as error:
        message = " ".join(error.format_message().split())
        print(f"p2pstack: {message or 'give a command: see p2pstack --help'}", file=sys.stderr)
        sys.exit(error.exit_code)
    except (Abort, KeyboardInterrupt):
        sys.exit(130)


def _mend_standard_streams() -> None:
    """Where one is closed the next file or socket that is opened would pass for it; and what a name has that the
    locale cannot say is no reason to fail."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
