#!/usr/bin/env bash
# each.sh TEST... - runs every test program, JOBS at a time, then repeats what the failed ones said and names them.
#
# Those of ALONE run by themselves at the end: what they do to processes of this user, or to the machine, others would feel.
# With RETRY=1 a test that failed is run once more, alone, and named as unsteady when it passes then: a loaded machine must not hide
# what else is wrong. What a sanitizer found is never tried again.
set -u -o pipefail
logs=${JOBMILL_BUILD:?}/tests/logs
mkdir -p "$logs"
failed=() unsteady=() later=()
declare -A test_of=()
ran=0

log_of() { echo "$logs/$(basename "$1").log"; }

# What still runs when this ends, as by a signal, ends with it. Each test has a process group of its own: one that is
# ended ends its group.
set -m
trap 'kill $(jobs -p) 2>/dev/null' EXIT

over() { # a test, its exit status: says what it said
  ran=$((ran + 1))
  echo "== $1"
  cat "$(log_of "$1")"
  [ "$2" -eq 0 ] || failed+=("$1")
}

one_is_over() {
  local pid='' status
  wait -n -p pid
  status=$?
  over "${test_of[$pid]}" "$status"
  unset "test_of[$pid]"
}

for t in "$@"; do
  case " ${ALONE:-} " in
  *" $(basename "$t") "*) later+=("$t") && continue ;;
  esac
  [ ${#test_of[@]} -lt "${JOBS:-1}" ] || one_is_over
  "$t" >"$(log_of "$t")" 2>&1 </dev/null &
  test_of[$!]=$t
done
while [ ${#test_of[@]} -gt 0 ]; do one_is_over; done
for t in ${later[@]+"${later[@]}"}; do
  "$t" >"$(log_of "$t")" 2>&1 </dev/null &
  wait $!
  over "$t" $?
done

[ $ran -eq $# ] || { echo "only $ran of $# were run"; exit 1; }

if [ "${RETRY:-0}" = 1 ]; then
  first=(${failed[@]+"${failed[@]}"}) failed=()
  for t in ${first[@]+"${first[@]}"}; do
    log=$(log_of "$t")
    if grep -qiE 'sanitizer|runtime error:|data race' "$log"; then
      failed+=("$t")
      continue
    fi
    mv "$log" "$log.first"
    "$t" >"$log" 2>&1 </dev/null &
    wait $!
    status=$?
    over "$t" $status
    [ $status -ne 0 ] || unsteady+=("$t")
  done
fi

for t in ${unsteady[@]+"${unsteady[@]}"}; do
  echo "---- $t failed at first with:"
  tail -n 60 "$(log_of "$t").first"
done
for t in ${failed[@]+"${failed[@]}"}; do
  echo "---- $t failed with:"
  tail -n 100 "$(log_of "$t")"
done
[ ${#unsteady[@]} -eq 0 ] || echo "unsteady: ${unsteady[*]}"
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}"; exit 1; }
