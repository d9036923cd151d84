#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Threads, forks and signal handlers, all mapping at once: no deadlock, no wrong
# byte, with and without a policy that matches.
# shellcheck disable=SC2016 source=lib.sh
. "$(dirname "$0")/lib.sh"

for policy in '' data; do
    check "stress, ${policy:-no policy}" 'wrong 0' \
        "$(preloaded "${policy:+$scratch/$policy.toml}" "$STRESS" "$scratch/data" 2>"$scratch/stderr")"
done
check 'nothing is said twice, children included' '' "$(sort "$scratch/stderr" | uniq -d)"
# The shim waits half a second for a thread that forks; a debugging kernel takes longer for one.
if [ "${PAGEPATROL_TEST_SLOW:-1}" -gt 2 ]; then
    sed -i '/another thread has been in a call of this library, or in a fork/d' "$scratch/stderr"
fi
check 'that nothing is loaded, and nothing else' 1 "$(wc -l <"$scratch/stderr")"
finish
