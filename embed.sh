#!/bin/sh
# embed.sh BUILD FILE... - prints an assembler file that puts the files into the binary, and the
# table `embed_table` of common/embed.h. A name loses its BUILD/ prefix.
set -eu
build=$1
shift
n=0
# without this note the linker would take the control-flow protection from the whole binary
printf '#ifdef __CET__\n#include <cet.h>\n#endif\n'
printf '\t.section .rodata\n'
for f; do
    printf '\t.balign 16\nembed_data_%d:\n\t.incbin "%s"\nembed_end_%d:\n\t.byte 0\n' $n "$f" $n
    printf 'embed_name_%d:\n\t.asciz "%s"\n' $n "${f#"$build"/}"
    n=$((n + 1))
done
printf '\t.section .data.rel.ro,"aw"\n\t.balign 8\n\t.globl embed_table\n\t.type embed_table, @object\nembed_table:\n'
i=0
while [ $i -lt $n ]; do
    printf '\t.quad embed_name_%d, embed_data_%d, embed_end_%d - embed_data_%d\n' $i $i $i $i
    i=$((i + 1))
done
printf '\t.quad 0, 0, 0\n\t.size embed_table, . - embed_table\n\t.section .note.GNU-stack,"",@progbits\n'
