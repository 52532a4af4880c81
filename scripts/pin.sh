#!/bin/sh
# Writes constraints.txt anew: the newest versions that pyproject.toml allows. Run it with the oldest Python supported, as a
# package may have dropped that one in its latest release: scripts/pin.sh [PYTHON]
set -eu

cd "$(dirname -- "$0")/.."
python=${1:-python3.11}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$python" -m venv "$scratch/venv"
pip="$scratch/venv/bin/python -m pip --disable-pip-version-check --quiet"
$pip install --upgrade pip setuptools
groups=$("$scratch/venv/bin/python" -c '
import tomllib
print(*("--group " + name for name in tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]))')
# shellcheck disable=SC2086
$pip install --editable '.[apps,cli,trio,uvloop]' $groups hatchling editables
{
    sed -n '/^#/p' constraints.txt
    $pip freeze --all --exclude p2pstack | sort -f
} > "$scratch/pins"
cp "$scratch/pins" constraints.txt
