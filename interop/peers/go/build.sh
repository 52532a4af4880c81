#!/bin/sh
# Builds the go peer; run it through ../build.sh, which sets CACHE.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
out=$CACHE/go
export GOTOOLCHAIN=local

if ! command -v go >/dev/null; then
    echo "SKIP go: no go toolchain on this machine" >&2
    exit 77
fi

stamp=$(cd "$here" && { go env GOVERSION; cat build.sh go.mod *.go; } | cksum)
if [ -x "$out/peer" ] && [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

# The module is built from a copy, as go writes go.sum beside go.mod.
rm -rf "$out/src" "$out/stamp"
mkdir -p "$out/src"
cp "$here/go.mod" "$here"/*.go "$out/src"
cd "$out/src"
if ! reason=$(go list -m 2>&1); then
    echo "SKIP go: the go toolchain on this machine does not do: $reason" >&2
    exit 77
fi
go build -mod=mod -trimpath -o "$out/peer.new" .
mv "$out/peer.new" "$out/peer"
echo "$stamp" > "$out/stamp"
