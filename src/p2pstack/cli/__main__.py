"""Where the command `p2pstack` begins."""

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line in `sys.argv` and exit: 0 success, 1 an error, 2 wrong usage, 128 + n ended by signal n."""
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


if __name__ == "__main__":
    main()
