# made by docs/gen-cli.sh: change that, or cli/cli.def
# bash completion for jobmill(1)

# asks the service for names, quickly or not at all
_jobmill_ask() {
    local i server=()
    for ((i = 2; i + 1 < COMP_CWORD; i++)); do
        [ "${COMP_WORDS[i]}" = --server ] && server=(--server "${COMP_WORDS[i + 1]}")
    done
    # compgen expands words: nothing may come that a shell would expand
    "${COMP_WORDS[0]}" "$@" --quiet --timeout 1 "${server[@]}" 2>/dev/null | tr -dc "A-Za-z0-9_.\n-"
}

_jobmill() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} options=
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "serve migrate backup recover check-config token version help submit get result logs list wait cancel retry delete tasks pause resume workers stats watch" -- "$cur")
        return
    fi
    case "$command $prev" in
    "submit --output" | "submit -o" | "submit --token-file" | "get --token-file" | "result --output" | "result -o" | "result --token-file" | "logs --token-file" | "list --token-file" | "wait --token-file" | "cancel --token-file" | "retry --token-file" | "delete --token-file" | "tasks --token-file" | "pause --token-file" | "resume --token-file" | "workers --token-file" | "stats --token-file" | "watch --token-file")
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return ;;
    "list --task")
        mapfile -t COMPREPLY < <(compgen -W "$(_jobmill_ask tasks)" -- "$cur")
        return ;;
    "list --state" | "list -s")
        mapfile -t COMPREPLY < <(compgen -W "scheduled queued running succeeded failed cancelled expired" -- "$cur")
        return ;;
    "submit --input" | "submit --raw" | "submit --priority" | "submit -p" | "submit --delay" | "submit --run-at" | "submit --timeout" | "submit --max-attempts" | "submit --tag" | "submit -t" | "submit --key" | "submit --wait-timeout" | "submit --server" | "get --server" | "get --timeout" | "result --server" | "result --timeout" | "logs --server" | "logs --timeout" | "list --tag" | "list -t" | "list --group" | "list --limit" | "list -n" | "list --server" | "list --timeout" | "wait --server" | "wait --timeout" | "cancel --server" | "cancel --timeout" | "retry --server" | "retry --timeout" | "delete --server" | "delete --timeout" | "tasks --server" | "tasks --timeout" | "pause --server" | "pause --timeout" | "resume --server" | "resume --timeout" | "workers --server" | "workers --timeout" | "stats --server" | "stats --timeout" | "watch --interval" | "watch --server" | "watch --timeout")
        return ;;
    esac
    case $command in
    submit) options="--wait -w --input --raw --ndjson --priority -p --delay --run-at --timeout --max-attempts --tag -t --key --wait-timeout --output -o --server --token-file --json -j --quiet -q --help -h" ;;
    get) options="--server --token-file --json -j --timeout --quiet -q --help -h" ;;
    result) options="--output -o --server --token-file --json -j --timeout --quiet -q --help -h" ;;
    logs) options="--follow -f --server --token-file --json -j --timeout --quiet -q --help -h" ;;
    list) options="--state -s --task --tag -t --group --limit -n --all -a --server --token-file --json -j --timeout --quiet -q --help -h" ;;
    wait) options="--server --token-file --json -j --timeout --quiet -q --help -h" ;;
    cancel) options="--server --token-file --json -j --timeout --quiet -q --help -h" ;;
    retry) options="--server --token-file --json -j --timeout --quiet -q --help -h" ;;
    delete) options="--server --token-file --json -j --timeout --quiet -q --help -h" ;;
    tasks) options="--server --token-file --json -j --timeout --quiet -q --help -h" ;;
    pause) options="--server --token-file --json -j --timeout --quiet -q --help -h" ;;
    resume) options="--server --token-file --json -j --timeout --quiet -q --help -h" ;;
    workers) options="--server --token-file --json -j --timeout --quiet -q --help -h" ;;
    stats) options="--server --token-file --json -j --timeout --quiet -q --help -h" ;;
    watch) options="--interval --server --token-file --json -j --timeout --quiet -q --help -h" ;;
    serve | migrate | backup | recover | check-config)
        options=$("${COMP_WORDS[0]}" help 2>/dev/null | sed -n "s/^  \(--[a-z-]*\).*/\1/p") ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        return
    fi
    case $command in
    get | result | logs | wait | cancel | retry | delete)
        mapfile -t COMPREPLY < <(compgen -W "$(_jobmill_ask list)" -- "$cur") ;;
    submit | pause | resume)
        mapfile -t COMPREPLY < <(compgen -W "$(_jobmill_ask tasks)" -- "$cur") ;;
    *)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    esac
    case $command in
    submit) # a file may follow too
        [ "$COMP_CWORD" = 2 ] || mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    esac
}
complete -o filenames -F _jobmill jobmill
