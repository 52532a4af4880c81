#!/bin/sh
# Builds the rust peer; run it through ../build.sh, which sets CACHE.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
out=$CACHE/rust

if ! command -v cargo >/dev/null; then
    echo "SKIP rust: no rust toolchain on this machine" >&2
    exit 77
fi
if [ "$(rustc --version | cut -d. -f2)" -lt 88 ]; then
    echo "SKIP rust: libp2p needs rust 1.88, here is $(rustc --version)" >&2
    exit 77
fi

stamp=$(cd "$here" && { rustc --version; cat build.sh Cargo.toml src/*.rs; } | cksum)
if [ -x "$out/peer" ] && [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

# The crate is built from a copy, as cargo writes Cargo.lock beside Cargo.toml. The copy keeps Cargo.lock, and target
# is kept too, so that a change to the sources does not build libp2p again.
rm -rf "$out/src/src" "$out/stamp"
mkdir -p "$out/src"
cp -R "$here/Cargo.toml" "$here/src" "$out/src"
cd "$out/src"
CARGO_TARGET_DIR=$out/target cargo build --quiet --release
cp "$out/target/release/peer" "$out/peer.new"
mv "$out/peer.new" "$out/peer"
echo "$stamp" > "$out/stamp"
