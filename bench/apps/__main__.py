"""`python -m bench.apps [NAME...]`: measure the applications, all or these, one after the other."""

import subprocess
import sys

NAMES = ("share", "chat", "ledger", "doc")


def main() -> int:
    """The number of applications whose measurement failed."""
    failed = 0
    for name in sys.argv[1:] or NAMES:
        failed += bool(subprocess.run([sys.executable, "-m", f"bench.apps.{name}"], check=False).returncode)
    return failed


if __name__ == "__main__":
    sys.exit(main())
