#!/bin/sh
# docs/gen-cli.sh man|bash|zsh JOBMILL - prints the manual page or a shell's completion, made of the
# binary's own table of commands and options (`jobmill describe`, cli/cli.def).
set -eu
kind=$1
bin=$2

man_head() {
    cat <<'TEXT'
.\" made by docs/gen-cli.sh: change that, or cli/cli.def
.Dd November 28, 2026
.Dt JOBMILL 1
.Os
.Sh NAME
.Nm jobmill
.Nd runs jobs behind an HTTP interface, and loses none
.Sh SYNOPSIS
.Nm
.Ar command
.Op Ar option ...
.Op Ar argument ...
.Sh DESCRIPTION
.Nm
is an HTTP service that keeps jobs safely on disk and has worker processes run
them, and the client of such a service.
.Pp
A
.Ar SETTING
is a flag such as
.Fl -config Ar FILE ,
.Fl -data-dir Ar DIR
or
.Fl -listen Ar ADDR:PORT ;
.Nm
.Cm help
lists them all.
The commands of the service are:
TEXT
}

# .Fl puts the dash; a \ is none of ours
# shellcheck disable=SC2016 # the dollars are awk's
man_body='
BEGIN { FS = "\t"; print ".Bl -tag -width Ds" }
function text(s) { gsub(/\\/, "\\e", s); if (s ~ /^[.\047]/) s = "\\&" s; return s }
# in lines of at most 78 bytes, none of which begins as a macro does
function sentence(s,   n, i, words, line, out) {
    n = split(toupper(substr(s, 1, 1)) substr(s, 2) ".", words, " ")
    for (i = 1; i <= n; i++) {
        if (line != "" && length(line) + length(words[i]) > 76) { out = out text(line) "\n"; line = "" }
        line = line (line == "" ? "" : " ") words[i]
    }
    return out text(line)
}
# the words of "FILE [SETTING...]", as macros of mdoc
function words_of(s,   n, i, w, word, out) {
    n = split(s, word, " ")
    for (i = 1; i <= n; i++) {
        w = word[i]
        out = out (i > 1 ? " " : "") (w ~ /^\[/ ? "Op Ar " : "Ar ")
        gsub(/[][]/, "", w)
        sub(/\.\.\.$/, " ...", w)
        out = out w
    }
    return out
}
$1 == "service" { print ".It Cm " $2 ($3 == "" ? "" : " " words_of($3)); print sentence($4) }
$1 == "command" {
    if (!client++) {
        print ".El"
        print ".Sh COMMANDS OF THE CLIENT"
        print "Options may stand before, between and after the arguments."
        print "A time is a number of seconds, or has a unit:"
        print ".Cm ms , s , m , h"
        print "or"
        print ".Cm d ."
    } else if (open) print ".El"
    open = 0
    print ".Ss " $2
    print ".Nm"
    print ".Cm " $2
    print ".Op Ar option ..."
    n = split($3, list, " ")
    for (i = 1; i <= n; i++) print "." words_of(list[i])
    print ".Pp"
    print sentence($4)
}
$1 == "option" {
    if ($3 == "server" || $3 == "token-file" || $3 == "json" || $3 == "quiet" || $3 == "help" || ($3 == "timeout" && $2 != "submit")) {
        if (!($3 in common)) { common[$3] = $0; order[++shared_n] = $3 }
        next
    }
    if (!open++) print ".Bl -tag -width Ds"
    option($4, $3, $5, $6)
}
function option(letter, name, value, help) {
    printf ".It"
    if (letter != "") printf " Fl %s ,", letter
    printf " Fl -%s", name
    if (value != "") printf " Ar %s", value
    print ""
    print sentence(help)
}
END {
    if (open) print ".El"
    print ".Sh OPTIONS OF ALL COMMANDS OF THE CLIENT"
    print ".Bl -tag -width Ds"
    for (i = 1; i <= shared_n; i++) { split(common[order[i]], f, "\t"); option(f[4], f[3], f[5], f[6]) }
    print ".El"
}'

man_tail() {
    cat <<'TEXT'
.Pp
.Cm submit
has another
.Fl -timeout ,
which is a property of the job; how long it waits is its
.Fl -wait-timeout .
.Sh ENVIRONMENT
.Bl -tag -width Ds
.It Ev JOBMILL_SERVER
Where the service is:
.Li http://HOST:PORT
or
.Li https://HOST:PORT .
.It Ev JOBMILL_TOKEN
The token, where the service wants one.
.It Ev NO_COLOR
If set and not empty, nothing is coloured.
.El
.Pp
Each setting of the service is read from a variable
.Ev JOBMILL_NAME
as well, such as
.Ev JOBMILL_DATA_DIR .
.Sh EXIT STATUS
Of the service,
.Cm migrate ,
.Cm backup ,
.Cm recover ,
.Cm check-config
and
.Cm token :
.Pp
.Bl -tag -width 124 -compact
.It 0
Done; for
.Cm serve :
it was drained and has ended in good order.
.It 64
The command line is wrong: a word is no flag, or a flag is not known or
lacks its value.
.It 69
It cannot start: the store cannot be opened or is damaged, another service has
it, the address is taken, or too few descriptors are allowed.
Of
.Cm backup
and
.Cm recover :
the store cannot be read.
.It 70
The fork server has died; the workers are gone with it.
.It 71
Out of memory, or the like.
.It 73
The file of
.Cm backup
or
.Cm recover
cannot be made, or exists already.
.It 74
A write of the store failed, and nothing more could be promised; of
.Cm backup
and
.Cm recover :
the disk failed or is full.
.It 78
The configuration is wrong, also by the value of a flag or of a variable,
or asks for more than the machine offers.
.El
.Pp
After 69, 70, 71 and 74 what was acknowledged is there at the next start.
.Pp
Of the client:
.Pp
.Bl -tag -width 124 -compact
.It 0
Done; for a wait: the job succeeded.
.It 1
The job failed.
.It 2
The job was cancelled or has expired.
.It 64
The command line is wrong.
.It 65
The service refused, or an input is no JSON.
.It 66
A file cannot be read.
.It 69
The service is not reachable.
.It 71
Out of memory, or the like.
.It 74
The output cannot be written.
.It 75
The service is overloaded or has an error: try again later.
.It 124
A wait was given up; the job goes on.
.It 130
Interrupted; a job that was waited for goes on.
.El
.Sh EXAMPLES
Count primes and wait for the answer:
.Pp
.Dl jobmill submit primes --input '{"limit":1000}' --wait
.Pp
Draw a picture into a file:
.Pp
.Dl jobmill submit mandelbrot --wait -o mandelbrot.png
.Pp
One job for each line, one result for each line:
.Pp
.Dl jobmill submit primes --ndjson --wait lines.ndjson
.Pp
Cancel all that is queued:
.Pp
.Dl jobmill list --state queued --quiet --all | xargs -r jobmill cancel
TEXT
}

# shellcheck disable=SC2016 # the dollars are awk's and the completion's
bash_body='
BEGIN { FS = "\t" }
$1 == "service" { names = names " " $2 }
$1 == "command" {
    names = names " " $2
    if ($3 ~ /^TASK/) tasks = tasks (tasks ? " | " : "") $2
    if ($3 ~ /INPUT/) files = files (files ? " | " : "") $2
    if ($3 ~ /^ID/) ids = ids (ids ? " | " : "") $2
}
$1 == "option" {
    options[$2] = options[$2] " --" $3 ($4 != "" ? " -" $4 : "")
    if (!($2 in seen)) { seen[$2]; order[++n] = $2 }
    if ($5 != "") {
        takes["--" $3 " " $5]
        kind = $5 == "FILE" || $5 == "TASK" || $5 == "STATE" ? $5 : "NONE"
        key = $2 " --" $3
        values[kind] = values[kind] (values[kind] ? " | " : "") "\"" key "\""
        if ($4 != "") values[kind] = values[kind] " | \"" $2 " -" $4 "\""
    }
}
END {
    print "# made by docs/gen-cli.sh: change that, or cli/cli.def"
    print "# bash completion for jobmill(1)"
    print ""
    print "# asks the service for names, quickly or not at all"
    print "_jobmill_ask() {"
    print "    local i server=()"
    print "    for ((i = 2; i + 1 < COMP_CWORD; i++)); do"
    print "        [ \"${COMP_WORDS[i]}\" = --server ] && server=(--server \"${COMP_WORDS[i + 1]}\")"
    print "    done"
    print "    # compgen expands words: nothing may come that a shell would expand"
    print "    \"${COMP_WORDS[0]}\" \"$@\" --quiet --timeout 1 \"${server[@]}\" 2>/dev/null | tr -dc \"A-Za-z0-9_.\\n-\""
    print "}"
    print ""
    print "_jobmill() {"
    print "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} options="
    print "    COMPREPLY=()"
    print "    if [ \"$COMP_CWORD\" = 1 ]; then"
    print "        mapfile -t COMPREPLY < <(compgen -W \"" substr(names, 2) "\" -- \"$cur\")"
    print "        return"
    print "    fi"
    print "    case \"$command $prev\" in"
    print "    " values["FILE"] ")"
    print "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")"
    print "        return ;;"
    print "    " values["TASK"] ")"
    print "        mapfile -t COMPREPLY < <(compgen -W \"$(_jobmill_ask tasks)\" -- \"$cur\")"
    print "        return ;;"
    print "    " values["STATE"] ")"
    print "        mapfile -t COMPREPLY < <(compgen -W \"scheduled queued running succeeded failed cancelled expired\" -- \"$cur\")"
    print "        return ;;"
    print "    " values["NONE"] ")"
    print "        return ;;"
    print "    esac"
    print "    case $command in"
    for (i = 1; i <= n; i++) print "    " order[i] ") options=\"" substr(options[order[i]], 2) "\" ;;"
    print "    serve | migrate | backup | recover | check-config)"
    print "        options=$(\"${COMP_WORDS[0]}\" help 2>/dev/null | sed -n \"s/^  \\(--[a-z-]*\\).*/\\1/p\") ;;"
    print "    esac"
    print "    if [[ $cur == -* ]]; then"
    print "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")"
    print "        return"
    print "    fi"
    print "    case $command in"
    print "    " ids ")"
    print "        mapfile -t COMPREPLY < <(compgen -W \"$(_jobmill_ask list)\" -- \"$cur\") ;;"
    print "    " tasks ")"
    print "        mapfile -t COMPREPLY < <(compgen -W \"$(_jobmill_ask tasks)\" -- \"$cur\") ;;"
    print "    *)"
    print "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;"
    print "    esac"
    print "    case $command in"
    print "    " files ") # a file may follow too"
    print "        [ \"$COMP_CWORD\" = 2 ] || mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;"
    print "    esac"
    print "}"
    print "complete -o filenames -F _jobmill jobmill"
}'

# shellcheck disable=SC2016
zsh_body='
BEGIN { FS = "\t" }
function quoted(s) { gsub(/\047/, "\047\\\047\047", s); return "\047" s "\047" }
function bracket(s) { gsub(/[\[\]]/, "\\\\&", s); return "[" s "]" }
function action(value) {
    if (value == "FILE") return ":FILE:_files"
    if (value == "TASK") return ":TASK:_jobmill_tasks"
    if (value == "STATE") return ":STATE:(scheduled queued running succeeded failed cancelled expired)"
    return ":" value ": "
}
$1 == "service" { list[++names] = $2 ":" $4 }
$1 == "command" { list[++names] = $2 ":" $4; commands[++n] = $2; arguments[$2] = $3 }
$1 == "option" {
    repeat = $3 == "tag" && $2 == "submit" ? "*" : ""
    spec = bracket($6) ($5 != "" ? action($5) : "")
    rows[$2] = rows[$2] " \\\n        " quoted(repeat "--" $3 ($5 != "" ? "=" : "") spec)
    if ($4 != "") rows[$2] = rows[$2] " \\\n        " quoted(repeat "-" $4 ($5 != "" ? "+" : "") spec)
}
END {
    print "#compdef jobmill"
    print "# made by docs/gen-cli.sh: change that, or cli/cli.def"
    print ""
    print "_jobmill_tasks() {"
    print "    local -a names"
    print "    names=(${(f)\"$(_call_program tasks jobmill tasks --quiet --timeout 1 2>/dev/null)\"})"
    print "    compadd -a names"
    print "}"
    print ""
    print "_jobmill_ids() {"
    print "    local -a names"
    print "    names=(${(f)\"$(_call_program ids jobmill list --quiet --timeout 1 2>/dev/null)\"})"
    print "    compadd -V ids -a names"
    print "}"
    print ""
    print "_jobmill() {"
    print "    local -a commands"
    print "    commands=("
    for (i = 1; i <= names; i++) print "        " quoted(list[i])
    print "    )"
    print "    if ((CURRENT == 2)); then"
    print "        _describe command commands"
    print "        return"
    print "    fi"
    print "    local command=$words[2]"
    print "    shift words"
    print "    ((CURRENT--))"
    print "    case $command in"
    for (i = 1; i <= n; i++) {
        c = commands[i]
        print "    " c ")"
        printf "        _arguments -s%s", rows[c]
        if (arguments[c] ~ /^TASK\.\.\./) printf " \\\n        \047*:TASK:_jobmill_tasks\047"
        else if (arguments[c] ~ /^TASK/) printf " \\\n        \0471:TASK:_jobmill_tasks\047 \\\n        \0472:INPUT:_files\047"
        else if (arguments[c] ~ /^ID\.\.\./) printf " \\\n        \047*:ID:_jobmill_ids\047"
        else if (arguments[c] ~ /^ID/) printf " \\\n        \0471:ID:_jobmill_ids\047"
        print " ;;"
    }
    print "    serve | migrate | backup | recover | check-config)"
    print "        compadd -- ${(f)\"$(_call_program settings jobmill help 2>/dev/null | sed -n \"s/^  \\(--[a-z-]*\\).*/\\1/p\")\"} ;;"
    print "    *) _files ;;"
    print "    esac"
    print "}"
    print ""
    print "_jobmill \"$@\""
}'

case $kind in
man)
    man_head
    "$bin" describe | awk "$man_body"
    man_tail
    ;;
bash) "$bin" describe | awk "$bash_body" ;;
zsh) "$bin" describe | awk "$zsh_body" ;;
*)
    echo "usage: gen-cli.sh man|bash|zsh JOBMILL" >&2
    exit 64
    ;;
esac
