# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# For the tests of this folder (sourced): a scratch folder, policies, a count of
# failures. The kernel side is kept out by a door that does not exist, so that the
# tests say the same on every machine.
set -u

scratch=$(mktemp -d "${TMPDIR:-/tmp}/pagepatrol-shim-XXXXXX") || exit 99
trap 'rm -rf "$scratch"' EXIT
failures=0

unset LD_PRELOAD PAGEPATROL_POLICY PAGEPATROL_VERBOSE XDG_CONFIG_HOME
export HOME="$scratch/home" PAGEPATROL_DOOR="$scratch/no-door" LC_ALL=C
mkdir "$HOME"

printf 'schema = 1\n' >"$scratch/empty.toml"
for action in pin stream; do
    printf 'schema = 1\n[[rule]]\npath = "**"\naction = "%s"\n' "$action" >"$scratch/$action.toml"
done
printf 'schema = 1\n[[rule]]\npath = "%s/data*"\naction = "pin"\n' "$scratch" >"$scratch/data.toml"
head -c 100000 /dev/zero | tr '\0' x >"$scratch/data"

fail() {
    printf 'FAILED: %s\n' "$*"
    failures=$((failures + 1))
}

# check NAME EXPECTED ACTUAL
check() {
    if [ "$2" = "$3" ]; then
        printf 'ok: %s\n' "$1"
    else
        fail "$1"
        printf '%s\n' "$2" >"$scratch/expected"
        printf '%s\n' "$3" >"$scratch/actual"
        diff -a -U 2 "$scratch/expected" "$scratch/actual" | sed '1,2s/\t.*//' | head -n 60
    fi
}

# preloaded POLICY COMMAND...: policy "" is none at all
preloaded() {
    policy=$1
    shift
    if [ -n "$policy" ]; then
        LD_PRELOAD=$SHIM PAGEPATROL_POLICY=$policy "$@"
    else
        LD_PRELOAD=$SHIM "$@"
    fi
}

finish() {
    [ "$failures" = 0 ] || printf '%s failed\n' "$failures"
    [ "$failures" = 0 ]
    exit
}
