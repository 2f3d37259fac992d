#!/bin/sh
# hardening.sh FILE... - is a built executable or shared object hardened as the Makefile means it? By readelf.
set -eu
bad=0

complain() {
    echo "hardening: $file: $1" >&2
    bad=1
}

for file in "$@"; do
    head=$(readelf -hW "$file")
    segments=$(readelf -lW "$file")
    dynamic=$(readelf -dW "$file")
    symbols=$(readelf -W --dyn-syms "$file")

    case $head in *"DYN ("*) ;; *) complain "is not position-independent" ;; esac
    case $segments in *GNU_RELRO*) ;; *) complain "has no RELRO segment" ;; esac
    case $dynamic in *BIND_NOW* | *"Flags: NOW"*) ;; *) complain "binds lazily: RELRO is partial" ;; esac
    case $dynamic in *RPATH* | *RUNPATH*) complain "names a path to search for libraries" ;; esac
    case $dynamic in *TEXTREL*) complain "has relocations in its code" ;; esac
    echo "$segments" | grep -q 'GNU_STACK.* RW  *0x' || complain "may run code on its stack"
    if echo "$segments" | grep -q 'LOAD.* RWE'; then
        complain "has a segment that is writable and executable"
    fi
    case $file in
    *.so) ;; # a small task may call nothing that can be fortified
    *)
        case $symbols in *__stack_chk_fail*) ;; *) complain "has no stack protector" ;; esac
        case $symbols in *_chk@*) ;; *) complain "is not fortified" ;; esac
        ;;
    esac
    # Debian 12's own start files lack the note that would switch it on; the code is ready for it
    case $head in
    *X86-64*)
        landings=$(objdump -d --no-show-raw-insn "$file" | grep -c endbr64 || true)
        functions=$(objdump -t "$file" | grep -c ' F .text' || true)
        [ "$landings" -gt $((functions / 4)) ] || complain "has no control-flow protection"
        ;;
    esac
done
exit $bad
