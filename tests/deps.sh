#!/bin/sh
# deps.sh - install-deps.sh where packages are there in other ways than on a fresh Debian: a dpkg-query of our own says which.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
bad=0

# a package's line in $dir/there: NAME STATUS…, one status for each architecture
cat >"$dir/dpkg-query" <<'EOF'
#!/bin/sh
# dpkg-query -W -f FORMAT NAME
found=1
while read -r name states; do
    [ "$name" = "$4" ] || continue
    found=0
    for s in $states; do
        # shellcheck disable=SC2059 # it is a format
        printf "$(printf '%s' "$3" | sed "s/\${db:Status-Status}/$s/")"
    done
done <"${0%/*}/there"
exit $found
EOF
printf '#!/bin/sh\necho 1000\n' >"$dir/id"
printf '#!/bin/sh\nexit 1\n' >"$dir/sudo"
chmod +x "$dir/dpkg-query" "$dir/id" "$dir/sudo"

# says EXPECTED: what would be installed, the rest of the line; nothing: all is there
says() {
    got=$(PATH="$dir:$PATH" ./install-deps.sh build 2>&1 | sed -n 's/^installing: *//p')
    if [ "$got" != "$1" ]; then
        echo "deps: with $2 would be installed: '$got', not '$1'" >&2
        bad=1
    fi
}

./install-deps.sh build list | sed 's/$/ installed/' >"$dir/there"
says "" "all packages"
sed -i 's/^zlib1g-dev .*/zlib1g-dev installed installed/' "$dir/there"
says "" "one of two architectures, both there"
sed -i 's/^zlib1g-dev .*/zlib1g-dev config-files/' "$dir/there"
says "zlib1g-dev" "one that was removed"
sed -i '/^zlib1g-dev /d' "$dir/there"
says "zlib1g-dev" "one that is missing"
echo "zlib1g-dev installed" >>"$dir/there"
sed -i 's/^libcurl4-gnutls-dev /libcurl4-openssl-dev /' "$dir/there"
says "" "another libcurl"
sed -i '/^libcurl4-openssl-dev /d' "$dir/there"
says "libcurl4-gnutls-dev" "no libcurl"
[ $bad = 0 ] && echo "deps: in order"
exit $bad
