#!/usr/bin/env bash
# analyze.sh - gcc's analyzer over the service: fails on what is not in tests/analyze.accepted, and on what is there in vain.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
make --no-print-directory -s -k BUILD="$dir" OPT= CFLAGS="-O1 -g -fanalyzer" all >"$dir/out" 2>&1 || { tail -40 "$dir/out"; exit 1; }
sed -nE 's/^([a-z_/0-9.]+):[0-9]+:[0-9]+: warning: .*\[-Wanalyzer-([a-z-]+)\]$/\1 \2/p' "$dir/out" | sort -u >"$dir/found"
sed -E '/^#|^$/d; s/ +#.*//' tests/analyze.accepted | sort -u >"$dir/accepted"
if ! diff "$dir/accepted" "$dir/found" >"$dir/diff"; then
    echo "gcc -fanalyzer: < accepted but not found, > found but not accepted (tests/analyze.accepted)"
    cat "$dir/diff"
    grep -h "Wanalyzer" "$dir/out" | sort -u
    exit 1
fi
echo "gcc -fanalyzer: nothing but $(wc -l <"$dir/accepted") findings that are known to be false"
