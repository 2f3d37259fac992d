#!/bin/sh
# reproducible.sh - builds the tree twice, in directories with other names, at other times, in another time zone and with
# another umask: the binary and the shipped tasks must have the same bytes.
set -eu
base=$(mktemp -d)
trap 'rm -rf "$base"' EXIT
for place in a another/place; do
    mkdir -p "$base/$place"
    git ls-files -z | tar --null --files-from=- -cf - | tar -xf - -C "$base/$place"
done
make -C "$base/a" --no-print-directory -j2 all >/dev/null
(umask 077 && TZ=Pacific/Apia LC_ALL=C make -C "$base/another/place" --no-print-directory -j2 all >/dev/null)
bad=0
cd "$base/a"
for file in build/jobmill build/tasks/*.so; do
    if cmp "$file" "$base/another/place/$file"; then
        sha256sum "$file"
    else
        bad=1
    fi
done
exit $bad
