#!/bin/sh
# Builds the py peer: $CACHE/py/peer. Exit code 77 means that this machine lacks what py-libp2p needs.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
CACHE=${CACHE:-${P2PSTACK_INTEROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/p2pstack/interop}}

skip() {
    echo "SKIP py: $1" >&2
    exit 77
}

python=
for candidate in python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || skip "no python 3.11 or newer on this machine"

mkdir -p "$CACHE/py"
out=$(CDPATH= cd -- "$CACHE/py" && pwd)
packages=$({ "$python" -VV; cat "$here/build.sh" "$here/requirements.txt"; } | cksum)
stamp=$({ echo "$packages"; cat "$here"/src/*.py "$here/../counter.py"; } | cksum)
if [ -x "$out/peer" ] && [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
rm -f "$out/stamp"

if [ "$(cat "$out/packages" 2>/dev/null)" != "$packages" ]; then
    # The release of fastecdsa that py-libp2p pins has no wheels for Linux.
    echo '#include <gmp.h>' | ${CC:-cc} -fsyntax-only -x c - 2>/dev/null ||
        skip "no C compiler with the headers of gmp on this machine"
    rm -rf "$out/packages" "$out/venv"
    "$python" -m venv "$out/venv"
    # The list is complete, so that nothing but what it names can be installed.
    "$out/venv/bin/pip" install --quiet --no-deps -r "$here/requirements.txt" >&2
    echo "$packages" > "$out/packages"
fi

rm -rf "$out/src"
cp -R "$here/src" "$out/src"
cp "$here/../counter.py" "$out/src"
cat > "$out/peer.new" <<END
#!/bin/sh
exec "$out/venv/bin/python" "$out/src/peer.py" "\$@"
END
chmod +x "$out/peer.new"
mv "$out/peer.new" "$out/peer"
echo "$stamp" > "$out/stamp"
