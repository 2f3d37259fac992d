#!/usr/bin/env bash
# each.sh TEST... - runs every test program, then repeats what the failed ones said and names them.
#
# With RETRY=1 a test that failed is run once more, and named as unsteady when it passes then: a loaded machine must not hide
# what else is wrong. What a sanitizer found is never tried again.
set -u -o pipefail
logs=${JOBMILL_BUILD:?}/tests/logs
mkdir -p "$logs"
failed=() unsteady=()

run() { # a test, its log
  echo "== $1"
  "$1" 2>&1 | tee "$2"
}

for t in "$@"; do
  log=$logs/$(basename "$t").log
  run "$t" "$log" && continue
  if [ "${RETRY:-0}" = 1 ] && ! grep -qE 'Sanitizer|runtime error:' "$log"; then
    mv "$log" "$log.first"
    if run "$t" "$log"; then
      unsteady+=("$t")
      continue
    fi
  fi
  failed+=("$t")
done

for t in ${unsteady[@]+"${unsteady[@]}"}; do
  echo "---- $t failed at first with:"
  tail -n 60 "$logs/$(basename "$t").log.first"
done
for t in ${failed[@]+"${failed[@]}"}; do
  echo "---- $t failed with:"
  tail -n 100 "$logs/$(basename "$t").log"
done
[ ${#unsteady[@]} -eq 0 ] || echo "unsteady: ${unsteady[*]}"
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}"; exit 1; }
