#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Uncommon mappings and children (corners.c) give the same with and without the
# shim, and so do programs that it can't enter: static ones and setuid ones.
# shellcheck disable=SC2016 source=lib.sh
. "$(dirname "$0")/lib.sh"

plain=$("$CORNERS" "$scratch" "$MAPPER" 2>/dev/null)
check 'corners: cases' 20 "$(printf '%s\n' "$plain" | grep -c '^  ended')"
check 'corners: those that end by a signal' '-7 -7' \
    "$(printf '%s\n' "$plain" | sed -n 's/^  ended \(-.*\)/\1/p' | paste -sd' ' -)"
printf 'schema = 1\n[[rule]]\npath = "%s/*"\naction = "activate"\n' "$scratch" >"$scratch/all.toml"
for policy in '' empty pin stream data all; do
    check "corners, ${policy:-no policy}" "$plain" \
        "$(preloaded "${policy:+$scratch/$policy.toml}" "$CORNERS" "$scratch" "$MAPPER" 2>"$scratch/stderr")"
    check "corners, ${policy:-no policy}: nothing unexpected on stderr" 0 \
        "$(grep -vc 'policy has no effect: PagePatrol is not loaded' "$scratch/stderr")"
done

# The first that is said, is said when file 2 is not stderr any more. (The parent maps nothing
# under this rule, so it has not been said before.)
printf 'schema = 1\n[[rule]]\npath = "%s/mine"\naction = "pin"\n' "$scratch" >"$scratch/mine.toml"
check "a program's own file as descriptor 2 is not written to" 'not stderr
  number 2, size 8192, b
  ended 0' "$(preloaded "$scratch/mine.toml" "$CORNERS" "$scratch" "$MAPPER" 'not stderr' 2>/dev/null)"
check 'ranges of a library that comes and goes' 6 \
    "$(PAGEPATROL_VERBOSE=1 preloaded "$scratch/data.toml" "$CORNERS" "$scratch" "$MAPPER" library 2>&1 >/dev/null |
        grep -c 'range .*(8 KiB): rule 1, pin')"

check 'a range of a process without its first thread' 1 \
    "$(PAGEPATROL_VERBOSE=1 preloaded "$scratch/data.toml" "$CORNERS" "$scratch" "$MAPPER" 'first thread gone' 2>&1 >/dev/null |
        grep -c 'range .*(12 KiB): rule 1, pin')"

# The shim can't come along there.
busybox=$(command -v busybox)
[ -n "$busybox" ] || fail 'busybox is missing. HINT: scripts/setup installs busybox-static'
for policy in '' pin; do
    file=${policy:+$scratch/$policy.toml}
    check "static program, ${policy:-no policy}" 'static 7' \
        "$(preloaded "$file" "$busybox" sh -c 'echo static; exit 7' 2>"$scratch/stderr" | tr '\n' ' ')$(
            preloaded "$file" "$busybox" sh -c 'exit 7' 2>/dev/null; echo $?)"
    check "static program, ${policy:-no policy}: silent" '' "$(cat "$scratch/stderr")"
done
check 'exec into a static program' 'xxx' "$(preloaded "$scratch/pin.toml" sh -c "exec $busybox head -c 3 $scratch/data" 2>/dev/null)"

# Setuid only means something to whoever is not root already.
chmod 755 "$scratch"
cp "$SHIM" "$scratch/libpagepatrol.so"
unprivileged=
[ "$(id -u)" != 0 ] || unprivileged='setpriv --reuid nobody --regid nogroup --clear-groups'
passwd=$(command -v passwd)
if [ -u "$passwd" ]; then
    run='passwd -S nobody; echo $?; su --version'
    # shellcheck disable=SC2086
    plain=$($unprivileged sh -c "$run" 2>&1)
    # shellcheck disable=SC2086
    check 'exec into a setuid program' "$plain" \
        "$(SHIM=$scratch/libpagepatrol.so preloaded "$scratch/pin.toml" $unprivileged sh -c "$run" 2>&1 | grep -v '^pagepatrol: ')"
    # shellcheck disable=SC2086
    $unprivileged env LD_PRELOAD="$scratch/libpagepatrol.so" PAGEPATROL_POLICY="$scratch/pin.toml" \
        "$passwd" -S nobody >"$scratch/stdout" 2>"$scratch/stderr"
    check 'setuid program: the shim is not in it' 0 "$(grep -c pagepatrol "$scratch/stdout")"
    check 'setuid program: one line, from env alone' 0 "$(grep -c . "$scratch/stderr")"
else
    fail 'passwd is missing or not setuid; that part needs one setuid program'
fi
# A program that puts itself under a filter which kills: the shim steps aside, and says so.
for how in prctl syscall; do
    check "seccomp by $how" 'before x after x 0' \
        "$(preloaded "$scratch/pin.toml" "$SANDBOX" $how "$scratch/data" 2>"$scratch/stderr" | tr '\n' ' '
        )$(preloaded "$scratch/pin.toml" "$SANDBOX" $how "$scratch/data" >/dev/null 2>&1; echo $?)"
    check "seccomp by $how: said" 1 "$(grep -c 'installs a seccomp filter' "$scratch/stderr")"
done
check 'a filter that is refused' 'before x after x ' \
    "$(preloaded "$scratch/pin.toml" "$SANDBOX" fail "$scratch/data" 2>/dev/null | tr '\n' ' ')"
check 'asking for filters is not installing one' 0 \
    "$(preloaded "$scratch/pin.toml" "$SANDBOX" ask "$scratch/data" 2>&1 | grep -c 'seccomp')"
printf 'schema = 1\n[[rule]]\npath = "/nowhere/*"\naction = "pin"\n' >"$scratch/nowhere.toml"
check 'a filter before any rule applied: said' 1 \
    "$(preloaded "$scratch/nowhere.toml" "$SANDBOX" prctl "$scratch/data" 2>&1 | grep -c 'installs a seccomp filter')"
# A filter that was there before the program.
check 'a filter from before that kills for bpf' 'before x
after x' "$("$SANDBOX" kill-bpf env LD_PRELOAD="$SHIM" PAGEPATROL_POLICY="$scratch/data.toml" "$SANDBOX" ask "$scratch/data" 2>"$scratch/stderr")"
check 'a filter from before that kills for bpf: said' 1 "$(grep -c 'a seccomp filter from before' "$scratch/stderr")"
check 'a filter from before that kills for clone, no file under a rule' 'before x
after x' "$("$SANDBOX" kill-clone env LD_PRELOAD="$SHIM" PAGEPATROL_POLICY="$scratch/nowhere.toml" "$SANDBOX" ask "$scratch/data" 2>/dev/null)"
for _ in 1 2 3 4 5 6 7 8; do
    preloaded "$scratch/pin.toml" "$SANDBOX" threads "$scratch/data" 2>/dev/null
    echo $?
done >"$scratch/ended"
check 'a filter that kills for futex, beside busy threads' 0 "$(sort -u "$scratch/ended")"
finish
