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
check 'the broken one is told, with its place' 1 "$(grep -c "$scratch/p.toml:1:.*TOML syntax" stderr)"
check 'and its consequence' 1 "$(grep -c 'the policy from before stays' stderr)"
check 'each is read once' 3 "$(grep -c 'read anew' stderr)"
finish
