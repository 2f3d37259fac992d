#!/bin/sh
# install-deps.sh build|test|lint|monitoring|coverage|unit|bench|peers|web [list] - installs the Debian packages that are missing, and only
# those; with `list` it only tells which they are, missing or not.
# Somebody without root who has them all is not bothered.
set -eu

# libcap and friends are not listed: what a listed package depends on comes with it
build='
gcc
make
pkg-config
libc6-dev
libmicrohttpd-dev
libcurl4-gnutls-dev
libgnutls28-dev
libjansson-dev
libsqlite3-dev
libpcre2-dev
libseccomp-dev
libinih-dev
libpng-dev
nettle-dev
python3
python3-yaml
zlib1g-dev
'
test="$build
check
curl
graphicsmagick
iproute2
jq
openssl
sqlite3
strace
tzdata
nodejs
python3-jsonschema
procps
"
lint="$test
clang
clang-format
clang-tidy
cppcheck
libclang-rt-14-dev
mandoc
pyflakes3
reuse
shellcheck
valgrind
"
# a real Prometheus, with promtool; apart from lint because Debian starts it as a service where systemd runs
monitoring="$test
prometheus
"
coverage="$test
gcovr
"
# systemd for systemd-analyze alone
unit="$test
systemd
util-linux
"
bench="$build
"
# what jobmill is measured beside
peers="$build
beanstalkd
gearman-job-server
libgearman-dev
redis-server
"
# Node may have come another way than from Debian, whose npm brings hundreds of packages
web="$build
chromium
curl
"
command -v npm >/dev/null 2>&1 || web="$web
nodejs
npm
" peers="$peers
nodejs
npm
"

case "${1:-build}" in
build) want=$build ;;
test) want=$test ;;
lint) want=$lint ;;
monitoring) want=$monitoring ;;
coverage) want=$coverage ;;
unit) want=$unit ;;
bench) want=$bench ;;
peers) want=$peers ;;
web) want=$web ;;
*)
    echo "usage: install-deps.sh build|test|lint|monitoring|coverage|unit|bench|peers|web [list]" >&2
    exit 64
    ;;
esac

if [ "${2:-}" = list ]; then
    # shellcheck disable=SC2086 # a word a line
    printf '%s\n' $want
    exit 0
fi

if ! command -v dpkg-query >/dev/null 2>&1; then
    # shellcheck disable=SC2086 # lines become one
    echo "This is not a Debian system: install by hand what serves for:" $want >&2
    exit 0
fi

# a line for each architecture that it is there for
is_there() {
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

missing=
for p in $want; do
    is_there "$p" && continue
    # the headers are wanted, whose package keeps those of the other libcurl out
    [ "$p" = libcurl4-gnutls-dev ] && is_there libcurl4-openssl-dev && continue
    missing="$missing $p"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null 2>&1; then
        as_root=sudo
    else
        echo "Missing:$missing" >&2
        echo "Install them as root: apt-get install$missing" >&2
        exit 1
    fi
fi
echo "installing:$missing"
$as_root apt-get -o Acquire::Retries=5 update -qq
# shellcheck disable=SC2086 # a list of words is meant
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=5 install -y --no-install-recommends $missing
