#!/bin/sh
# Makes a virtual environment with the pinned pip: scripts/venv.sh FOLDER [PYTHON]
#
# Without PYTHON it takes the first of python3, python3.13, python3.12 and python3.11 that runs and is 3.11 or newer.
set -eu

folder=$1
wanted=${2:-}
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)

say() {
    printf '%s\n' "$@" >&2
}

recent() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

choose() {
    for candidate in ${wanted:-python3 python3.13 python3.12 python3.11}; do
        if recent "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    if [ -n "$wanted" ]; then
        say "$wanted does not run or is older than Python 3.11: give another one, such as make PYTHON=python3.13"
    elif command -v python3 >/dev/null; then
        say "p2pstack needs Python 3.11 or newer; $(command -v python3) is $(python3 -V 2>&1)," \
            "and no python3.13, python3.12 or python3.11 runs here. Install one, or give its path: make PYTHON=/path/to/python3"
    else
        say "p2pstack needs Python 3.11 or newer, and there is no python3 here: install it, then run make again"
    fi
    exit 1
}

# Debian and Ubuntu ship python3 without the part that puts pip into an environment: others may stand in for it.
make_with() {
    python=$1
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv --clear "$folder"
    elif "$python" -m pip --version >/dev/null 2>&1 && "$python" -m venv --clear --without-pip "$folder" 2>/dev/null; then
        "$python" -m pip --quiet --python "$folder/bin/python" install --constraint "$here/../constraints.txt" pip
    elif command -v uv >/dev/null; then
        uv venv --quiet --clear --seed --python "$python" "$folder"
    elif command -v virtualenv >/dev/null; then
        virtualenv --quiet --clear --python "$python" "$folder"
    else
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        say "$python cannot make a virtual environment with pip in it: its modules venv and ensurepip are not installed." \
            "On Debian and Ubuntu install them with: apt install python$version-venv (or python3-venv), then run make again"
        exit 1
    fi
}

if ! recent "$folder/bin/python" || ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(choose)
    say "making $folder with $("$python" -V) ($python)"
    make_with "$python"
fi
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$here/../constraints.txt" --upgrade pip
