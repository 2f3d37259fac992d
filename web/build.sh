#!/bin/sh
# build.sh DIR - bundles the dashboard into web/dist, which is kept in the repository so that a build
# needs neither Node nor a network. DIR is for what is downloaded (as package-lock.json says) and made.
# web/dist/SOURCES holds the digest of what the bundle was made of: see web/check.sh.
set -eu
mkdir -p "$1"
dir=$(cd "$1" && pwd)
cd "$(dirname "$0")"
rm -rf "$dir/src"
cp -r package.json package-lock.json src "$dir"
(cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund --silent)
esbuild() {
    "$dir/node_modules/.bin/esbuild" "$@" --minify --legal-comments=none --log-level=warning
}
(cd "$dir" && esbuild src/main.js --bundle --format=esm --target=es2022 --outfile="$dir/app.js")
(cd "$dir" && esbuild src/app.css --outfile="$dir/app.css")
mkdir -p dist
cp "$dir/app.js" "$dir/app.css" dist/
./check.sh digest >dist/SOURCES
