#!/bin/sh
# Builds one peer: interop/peers/build.sh go|rust|js|py
#
# The binary (or its launcher) ends as $CACHE/<name>/peer; nothing is written into the source tree. Exit code 77 means
# that this machine lacks the toolchain.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
name=${1:-}
case $name in
'' | *[!a-z]*) name=none ;;
esac
if [ $# -ne 1 ] || [ ! -f "$here/$name/build.sh" ]; then
    echo "usage: build.sh go|rust|js|py" >&2
    exit 2
fi

CACHE=${P2PSTACK_INTEROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/p2pstack/interop}
mkdir -p "$CACHE/$name"
CACHE=$(CDPATH= cd -- "$CACHE" && pwd)
export CACHE
# Two test runs at once must not build over each other.
if command -v flock >/dev/null; then
    exec flock "$CACHE/$name/lock" sh "$here/$name/build.sh"
fi
exec sh "$here/$name/build.sh"
