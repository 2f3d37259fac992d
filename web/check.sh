#!/bin/sh
# check.sh - is web/dist the bundle of web/src, and small enough? `check.sh digest` prints the digest of
# the sources alone.
set -eu
cd "$(dirname "$0")"
most=61440 # bytes of all, compressed
digest() {
    for f in package-lock.json src/*; do
        sha256sum "$f"
    done | sha256sum | cut -d' ' -f1
}
if [ "${1:-}" = digest ]; then
    digest
    exit
fi
if [ "$(digest)" != "$(cat dist/SOURCES)" ]; then
    echo "web/dist is not the bundle of web/src: run make web" >&2
    exit 1
fi
size=$(cat index.html dist/app.js dist/app.css | gzip -9 | wc -c)
if [ "$size" -gt $most ]; then
    echo "the dashboard has $size bytes compressed: at most $most" >&2
    exit 1
fi
echo "dashboard: $size bytes compressed"
