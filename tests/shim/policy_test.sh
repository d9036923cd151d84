#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The policy file over the life of a program: named by a relative path, replaced
# while it runs, for other programs, and not for the children.
# shellcheck disable=SC2016 source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 99

rule() {
    printf 'schema = 1\n[[rule]]\npath = "%s/data"\naction = "%s"\n' "$scratch" "$1"
}
rule pin >p.toml
rule stream >a.toml
echo broken >b.toml
rule deactivate >c.toml
printf 'schema = 1\n' >d.toml
check 'read anew: no malloc, no stack, no change for the program' 'policy bad 0' \
    "$(LD_PRELOAD=$SHIM PAGEPATROL_POLICY=p.toml PAGEPATROL_VERBOSE=1 \
        "$REREAD" data p.toml a.toml b.toml c.toml d.toml 2>stderr)"
check 'a relative name is one in the folder at the start' "policy $scratch/p.toml, 1 rules" \
    "$(sed -n 's/^pagepatrol: \(policy .*\)/\1/p;/^--/q' stderr | head -n 1)"
check 'what is mapped follows each good policy' 'pin stream deactivate' \
    "$(sed -n 's/.*range .*: rule 1, //p' stderr | uniq | tr '\n' ' ' | sed 's/ $//')"
check 'the broken one is told, with its place' 1 "$(grep -c "$scratch/p.toml:1:" stderr)"
check 'and its consequence' 1 "$(grep -c 'the policy from before stays' stderr)"
check 'each is read once' 3 "$(grep -c 'read anew' stderr)"

# what follows needs the parser for it
printf 'schema = 1\n[app]\ninherit = false\n' >app.toml
if LD_PRELOAD=$SHIM PAGEPATROL_POLICY=app.toml "$REREAD" data 2>&1 | grep -q 'unknown key'; then
    echo 'skipped: [app] is not known yet'
    finish
fi
# app NAME LINES...: a policy with [app]
app() {
    file=$1
    shift
    { printf 'schema = 1\n[app]\n' && printf '%s\n' "$@" &&
        printf '[[rule]]\npath = "%s/data"\naction = "pin"\n' "$scratch"; } >"$file"
}
app mine.toml 'program = "shim_reread"' 'arguments = "da?a"' 'inherit = false'
app theirs.toml 'program = "shim_reread"' 'arguments = "--other"' 'inherit = false'
check 'for this program; not for its children' 'no policy bad 0' \
    "$(LD_PRELOAD=$SHIM PAGEPATROL_POLICY=mine.toml "$REREAD" data 2>stderr)"
check '... and applies' 1 "$(grep -c 'not loaded' stderr)"
check 'for others: none' 'policy bad 0 0' \
    "$(LD_PRELOAD=$SHIM PAGEPATROL_POLICY=theirs.toml "$REREAD" data 2>stderr) $(wc -l <stderr)"
check '... which is said if asked' 1 \
    "$(LD_PRELOAD=$SHIM PAGEPATROL_POLICY=theirs.toml PAGEPATROL_VERBOSE=1 "$REREAD" data 2>&1 | grep -c 'theirs.toml is not for .*/shim_reread')"
check 'shell children: not under it' 1 \
    "$(app sh.toml 'program = "{sh,dash,bash}"' 'inherit = false'
    LD_PRELOAD=$SHIM PAGEPATROL_POLICY=sh.toml sh -c 'echo "${PAGEPATROL_POLICY-unset}"' 2>&1 | grep -c '^unset$')"
finish
