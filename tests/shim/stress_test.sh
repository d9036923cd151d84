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
check 'one line in all, children included' 1 "$(wc -l <"$scratch/stderr")"
finish
