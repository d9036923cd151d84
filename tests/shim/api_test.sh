#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# pagepatrol.h from a C program: alone, and with the library preloaded, whose table
# it has to work on; the kernel side missing.
# shellcheck disable=SC2016 source=lib.sh
. "$(dirname "$0")/lib.sh"

expected='pin -1 ENODEV
activate -1 ENODEV
deactivate -1 ENODEV
unpin 0 -
not aligned -1 EINVAL
nothing -1 EINVAL
wraps -1 EINVAL
not mapped -1 ENOMEM'
for program in "$API" "$API_FIXED"; do
    check "alone: ${program##*/}" "$expected" "$("$program" "$scratch/data" 2>"$scratch/stderr")"
    check '... says nothing' 0 "$(wc -l <"$scratch/stderr")"
    for policy in '' data; do
        check "preloaded, ${policy:-no policy}" "$expected" \
            "$(PAGEPATROL_VERBOSE=1 preloaded "${policy:+$scratch/$policy.toml}" "$program" "$scratch/data" 2>"$scratch/stderr")"
        check '... works on the library'"'"'s table' 1 "$(grep -c "the program's own call, pin" "$scratch/stderr")"
    done
done
printf 'schema = 1\n[[rule]]\npath = "%s/data"\naction = "unpin"\n' "$scratch" >"$scratch/unpin.toml"
if ! preloaded "$scratch/unpin.toml" /bin/true 2>&1 | grep -q 'unknown action'; then
    check 'the policy says no' 'pin -1 EPERM' \
        "$(preloaded "$scratch/unpin.toml" "$API" "$scratch/data" 2>/dev/null | head -n 1)"
fi
check 'needs libc alone' libc.so.6 \
    "$(readelf -d "$API" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')"
finish
