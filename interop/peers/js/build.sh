#!/bin/sh
# Builds the js peer: $CACHE/js/peer. Exit code 77 means that this machine lacks npm.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
CACHE=${CACHE:-${P2PSTACK_INTEROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/p2pstack/interop}}
out=$CACHE/js

if ! command -v npm >/dev/null; then
    echo "SKIP js: no npm on this machine" >&2
    exit 77
fi

mkdir -p "$out"
out=$(CDPATH= cd -- "$out" && pwd)
packages=$(cat "$here/build.sh" "$here/package.json" | cksum)
stamp=$(cat "$here/build.sh" "$here/package.json" "$here"/src/*.js | cksum)
if [ -x "$out/peer" ] && [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
rm -f "$out/stamp"

if [ "$(cat "$out/packages" 2>/dev/null)" != "$packages" ]; then
    rm -rf "$out/packages" "$out/node_modules"
    cp "$here/package.json" "$out"
    # libp2p asks for a newer node than npm may run on; the peer itself runs on the node among the packages.
    (cd "$out" && npm install --no-package-lock --no-audit --no-fund --engine-strict=false --loglevel=error >&2)
    echo "$packages" > "$out/packages"
fi

rm -rf "$out/src"
cp -R "$here/src" "$out/src"
cat > "$out/peer.new" <<END
#!/bin/sh
exec "$out/node_modules/node/bin/node" "$out/src/peer.js" "\$@"
END
chmod +x "$out/peer.new"
mv "$out/peer.new" "$out/peer"
echo "$stamp" > "$out/stamp"
