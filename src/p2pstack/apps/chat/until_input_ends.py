"""`python -m p2pstack.apps.chat.until_input_ends MODULE ARGUMENTS...`: runs a module, until standard input ends.

Who starts it holds the other end of a pipe, and so it ends with them, even where they are killed and can tell nobody.
"""

import os
import signal
import sys
from pathlib import Path
from runpy import run_module
from threading import Thread

__all__ = ["main"]


def main() -> None:
    """Run the module in this process: one of its own would outlive it just the same."""
    held = os.dup(0)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)  # what is read from the pipe is not meant for the module
    Thread(target=_wait_for_end, args=[held], daemon=True).start()
    del sys.argv[0]
    run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _wait_for_end(held: int) -> None:
    while os.read(held, 1_024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
