#!/bin/sh
# tests/escape.sh BUILD - tests/e2e_escape.c as this user, and when that is root, also as an ordinary one. What it
# needs is copied to where that user may read it.
set -eu
build=$1
dir=$(mktemp -d "${TMPDIR:-/tmp}/jobmill-XXXXXX")
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/tests/programs"
cp "$build/jobmill" "$dir/"
cp "$build/tests/e2e_escape" "$dir/tests/"
cp "$build/tests/programs/escape" "$dir/tests/programs/"
chmod -R a+rX "$dir"
cd /
export JOBMILL_BUILD="$dir" JOBMILL_BIN="$dir/jobmill"
echo "as $(id -un)"
"$dir/tests/e2e_escape"
if [ "$(id -u)" = 0 ]; then
    echo "as nobody"
    setpriv --reuid=nobody --regid=nogroup --clear-groups "$dir/tests/e2e_escape"
fi
