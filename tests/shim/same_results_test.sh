#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The shim changes nothing that a program can see: results, errno, output, exit
# status; over a table of error cases and with real programs.
# shellcheck disable=SC2016 source=lib.sh
. "$(dirname "$0")/lib.sh"

plain=$("$GOLDEN" "$scratch/data")
check 'golden table has its cases' yes "$([ "$(printf '%s\n' "$plain" | wc -l)" -gt 320 ] && echo yes)"
check 'golden, no policy' "$plain" "$(preloaded '' "$GOLDEN" "$scratch/data")"
for policy in empty pin stream data; do
    check "golden, $policy" "$plain" "$(preloaded "$scratch/$policy.toml" "$GOLDEN" "$scratch/data" 2>/dev/null)"
done
# the words for advice change nothing that the program is told
for word in ignore pass prefetch evict read-ahead-off; do
    for action in none pin; do
        printf 'schema = 1\n[[rule]]\npath = "**"\naction = "%s"\nmadvise = { normal = "%s", random = "%s", sequential = "%s", willneed = "%s", dontneed = "%s", cold = "%s", pageout = "%s" }\n' \
            $action $word $word $word $word $word $word $word >"$scratch/advice.toml"
        check "golden, advice: $word, $action" "$plain" \
            "$(preloaded "$scratch/advice.toml" "$GOLDEN" "$scratch/data" 2>/dev/null)"
    done
done
printf 'schema = 1\n[[rule]]\npath = "**"\nrange = { length = "40%%" }\naction = "pin"\n[[rule]]\npath = "**"\naction = "evict"\n' >"$scratch/parts.toml"
check 'golden, files in parts' "$plain" "$(preloaded "$scratch/parts.toml" "$GOLDEN" "$scratch/data" 2>/dev/null)"
printf 'this is not TOML' >"$scratch/broken.toml"
check 'golden, broken policy' "$plain" "$(preloaded "$scratch/broken.toml" "$GOLDEN" "$scratch/data" 2>/dev/null)"

# real programs: same output; kernel side missing: one line
set -- 'ls -la /usr/include' 'git --version' 'sort /etc/passwd' 'sh -c echo'
python=$(command -v /usr/bin/python3)
[ -z "$python" ] || set -- "$@" "$python -c print(open('/etc/hostname').read(),__import__('mmap').mmap(-1,9))"
for command; do
    name=${command%% *}
    command -v "$name" >/dev/null || continue
    for policy in '' empty pin stream; do
        # shellcheck disable=SC2086
        plain=$($command 2>&1 | sed 's/0x[0-9a-f]*//'; echo $?)
        file=${policy:+$scratch/$policy.toml}
        # shellcheck disable=SC2086
        check "$name, ${policy:-no policy}" "$plain" \
            "$(preloaded "$file" $command 2>"$scratch/stderr" | sed 's/0x[0-9a-f]*//'; echo $?)"
        lines=1
        case $policy in '' | empty) lines=0 ;; esac
        check "$name, ${policy:-no policy}: lines on stderr" $lines "$(wc -l <"$scratch/stderr")"
    done
done
check 'the line says what to do' 1 "$(grep -c 'pagepatrol: .*not loaded.*HINT: .*ppctl load' "$scratch/stderr")"

check 'exit status' 42 "$(preloaded "$scratch/pin.toml" sh -c 'exit 42' 2>/dev/null; echo $?)"
finish
