"""Generate src/p2pstack/wire/pb from protos/.

`python scripts/protos.py` writes the modules and their stubs; with `--check` it writes nothing and fails if what is
there is not what the .proto files say.
"""

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "protos"
PACKAGE = Path("p2pstack/wire/pb")
TARGET = ROOT / "src" / PACKAGE


def generate(folder: Path) -> dict[str, bytes]:
    """Run protoc into `folder`; the files made, by name."""
    sources = sorted(SOURCE.glob("*.proto"))
    plugins = sysconfig.get_path("scripts")  # where the stub generator is installed, in a virtual environment or not
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"--proto_path={PACKAGE}={SOURCE}",
            f"--python_out={folder}",
            f"--mypy_out=quiet:{folder}",
            *map(str, sources),
        ],
        check=True,
        env={**os.environ, "PATH": os.pathsep.join([plugins, os.environ.get("PATH", "")])},
    )
    return {path.name: path.read_bytes() for path in sorted((folder / PACKAGE).iterdir())}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare with the files that are there and change nothing")
    check: bool = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        made = generate(Path(folder))
    there = {path.name: path.read_bytes() for path in TARGET.glob("*_pb2.py*")}
    stale = sorted(name for name in made.keys() | there.keys() if made.get(name) != there.get(name))
    if check:
        for name in stale:
            print(f"{PACKAGE / name}: not what protos/ says; run `make protos`", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        if name in made:
            (TARGET / name).write_bytes(made[name])
        else:
            (TARGET / name).unlink()
        print(TARGET / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
