#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# An unmodified program, everything it starts included, does the same with and
# without the shim: programs/NAME.sh runs bare, under a policy without rules and
# under two that match every file; output, errors and exit status have to be
# equal. The shim may add lines of its own to stderr, and only where a rule
# matches. Usage: programs_test.sh NAME
#
# A program that is not there is a failure: scripts/setup installs all of them.
programs=${PAGEPATROL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pagepatrol}/programs
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
name=$1
workload=$scratch/$name.sh
work=$scratch/work
unset PYTHONPATH PYTHONSTARTUP GIT_DIR GIT_CONFIG RIPGREP_CONFIG_PATH BASH_ENV ENV
export TZ=UTC PROGRAMS="$programs"
# a server that must not be root changes its user, who may not get to where these are
chmod 755 "$scratch"
cp "$(dirname "$0")/programs/$name".* "$scratch" || exit 99
cp "$SHIM" "$scratch/libpagepatrol.so"
SHIM=$scratch/libpagepatrol.so

# Every file again, but with a name for the files of the workload: a mapping of
# one of them, and no library's, shows up as a range of the rule "work".
{
    printf 'schema = 1\n'
    printf '[[rule]]\nname = "work"\npath = "%s/**"\naction = "stream"\n' "$work"
    printf '[[rule]]\npath = "**"\naction = "stream"\n'
} >"$scratch/stream.toml"

limit=$((90 * ${PAGEPATROL_TEST_SLOW:-1}))

# run VARIANT [VARIABLE=VALUE...]
run() {
    variant=$1
    shift
    rm -rf "$work"
    mkdir "$work"
    (cd "$work" && exec env "$@" timeout -k 5 $limit sh "$workload") \
        >"$scratch/$variant.out" 2>"$scratch/$variant.err" </dev/null
    echo $? >"$scratch/$variant.status"
    case $(cat "$scratch/$variant.status") in
    124 | 137) fail "$name, $variant: not done after $limit seconds" ;;
    esac
}

# said VARIANT: what the programs said on stderr. Ours is a whole line, but may come where
# another program has written half of its own (join does). What git's other side says has
# a word before it.
said() {
    sed -zE 's/(remote: )?pagepatrol: [^\n]*\n//g' "$scratch/$1.err"
}

# ours VARIANT: what we said there, without what another program has before it.
ours() {
    grep -ao 'pagepatrol: .*' "$scratch/$1.err"
}

compare() {
    check "$name, $1: exit status" "$(cat "$scratch/bare.status")" "$(cat "$scratch/$1.status")"
    if cmp -s "$scratch/bare.out" "$scratch/$1.out"; then
        printf 'ok: %s, %s: output\n' "$name" "$1"
    else
        fail "$name, $1: output"
        diff -a "$scratch/bare.out" "$scratch/$1.out" | head -n 40
    fi
    check "$name, $1: stderr" "$(said bare)" "$(said "$1")"
}

run bare
check "$name, bare: exit status" 0 "$(cat "$scratch/bare.status")"
check "$name, bare: there is an output" yes "$([ -s "$scratch/bare.out" ] && echo yes)"
[ "$failures" = 0 ] || {
    cat "$scratch/bare.out" "$scratch/bare.err"
    echo 'The program does not work without the shim either. HINT: scripts/setup installs what is tested'
    finish
}
run empty LD_PRELOAD="$SHIM" PAGEPATROL_POLICY="$scratch/empty.toml"
run pin LD_PRELOAD="$SHIM" PAGEPATROL_POLICY="$scratch/pin.toml"
run stream LD_PRELOAD="$SHIM" PAGEPATROL_POLICY="$scratch/stream.toml" PAGEPATROL_VERBOSE=1
for variant in empty pin stream; do
    compare "$variant"
done
check "$name, empty: nothing of ours on stderr" 0 "$(grep -c pagepatrol "$scratch/empty.err")"
check "$name, pin: the kernel side is missing, and nothing else" 'yes 0' \
    "$(ours pin | grep -q '^pagepatrol: the policy has no effect: ' && echo yes) $(ours pin | grep -vc 'policy has no effect: PagePatrol is not loaded')"
# Those that map files of their own really did so, under the rule.
case $name in
python | git | sqlite | lmdb | rocksdb | ripgrep | postgres)
    check "$name, stream: maps files of its own" yes \
        "$(ours stream | grep -q '^pagepatrol: range .*: rule 1 "work", stream$' && echo yes)"
    ;;
esac
finish
