#!/bin/sh
# layers.sh BUILD - who may include whom (docs/architecture.md), by grep, and by a link: the workers and
# common/ must link without the libraries for HTTP, JSON and SQL.
set -eu
build=$1
bad=0

# files that include something matching a pattern, but for those allowed: deny PATTERN 'FILES…' [ALLOWED]
# shellcheck disable=SC2086 # $2 is a list of patterns, $found a list of lines
deny() {
    found=$(grep -lE "^#include [\"<]$1" $2 2>/dev/null | grep -vE "^(${3:-none})$" || true)
    if [ -n "$found" ]; then
        echo "layers: must not include $1:" $found >&2
        bad=1
    fi
}

deny '[^>"]*(server|workers|cli)/' "common/*.[ch]"
deny '(microhttpd|jansson|sqlite3|curl|libpq|ini)' "common/*.[ch] workers/*.[ch] include/*.h"
deny '[^>"]*\.\./server/' "workers/*.[ch]"
deny '[^>"]*/' "include/*.h" # nothing of ours: only <…> of libc
deny '\.\.' "workers/builtin/*.c workers/builtin/*.h"
deny 'microhttpd' "server/*.[ch] server/*/*.[ch]" 'server/http/(http|loop|request|reply|response|suspend).c'
deny 'gnutls' "common/*.[ch] workers/*.[ch] cli/*.[ch] server/*.[ch] server/*/*.[ch]" 'server/http/tls\.[ch]'
deny 'sqlite3' "server/*.[ch] server/*/*.[ch]" 'server/store/(sqlite[a-z_]*|migrate)\.[ch]'
deny '[^>"]*store\.h' "server/*.[ch] server/http/*.[ch]" 'server/(writer_priv\.h|(reader|serve|main|backup)\.c)'
deny '[^>"]*writer_priv\.h' "server/*.[ch] server/*/*.[ch]" 'server/(writer|steps|ahead|calls|claims|clockset|clockwork|leases)\.c'
deny '[^>"]*forkserver\.h' "server/*.[ch] server/http/*.[ch]" 'server/(serve|main)\.c'
deny '[^>"]*(dispatch|pool|serve|store)\.h' "server/http/*.[ch]"
deny '[^>"]*workers/' "server/http/*.[ch] server/store/*.[ch]"
deny '[^>"]*tests/' "cli/*.[ch] common/*.[ch] server/*.[ch] server/*/*.[ch] workers/*.[ch]"
deny '[^>"]*cli/' "server/*.[ch] server/*/*.[ch] workers/*.[ch]" 'server/main.c'
deny '[^>"]*(server|workers)/' "cli/*.[ch]"
deny '[^>"]*common/([^bej]|b[^u]|bu[^f]|e[^r]|j[^s])' "cli/*.[ch]" # common/buf.h, common/err.h and common/jsonscan.h alone
deny 'curl' "cli/*.[ch] server/main.c" 'cli/http.c'

deny 'seccomp' "common/*.[ch] server/*.[ch] server/*/*.[ch] workers/*.[ch]" 'workers/filter.c'

# the link: an entry that pulls in the whole of the workers' side
cc=${CC:-gcc}
echo 'int forkserver_spawned(int, char **); int main(int c, char **v) { return forkserver_spawned(c, v); }' >"$build/layers.c"
if ! $cc -o "$build/layers" "$build/layers.c" "$build"/common/*.o "$build"/workers/*.o "$build/embed.o" ${SAN:+-fsanitize=$SAN} -pie -lseccomp -ldl -lm -pthread; then
    echo "layers: workers/ and common/ do not link alone" >&2
    bad=1
fi
[ $bad = 0 ] && echo "layers: in order"
exit $bad
