#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Beside others that are preloaded or linked in for the same names: allocators, in
# either order in LD_PRELOAD; libeatmydata; the run times of gcc's sanitizers.
# Results are those without the shim, no fork is held up, rules still apply.
# shellcheck disable=SC2016 source=lib.sh
. "$(dirname "$0")/lib.sh"

# beside LD_PRELOAD POLICY COMMAND...
beside() {
    libraries=$1 policy=$2
    shift 2
    LD_PRELOAD=$libraries PAGEPATROL_POLICY=$policy "$@"
}

for name in libjemalloc.so.2 libmimalloc.so.2 libtcmalloc_minimal.so.4 libeatmydata.so; do
    library=$(find -L /usr/lib/*-linux-gnu /usr/lib -maxdepth 1 -name "$name*" 2>/dev/null | head -n 1)
    if [ -z "$library" ]; then
        fail "$name is missing. HINT: scripts/setup installs it"
        continue
    fi
    plain=$(LD_PRELOAD=$library "$CORNERS" "$scratch" "$MAPPER" 2>/dev/null)
    for order in "$SHIM:$library" "$library:$SHIM"; do
        case $order in
        "$SHIM"*) label="$name behind the shim" ;;
        *) label="$name before the shim" ;;
        esac
        check "$label: both are there" 2 \
            "$(beside "$order" "$scratch/pin.toml" cat /proc/self/maps 2>/dev/null |
                sed -n 's|.* \(/.*\)|\1|p' | sort -u | grep -c -e /libpagepatrol.so -e "/$name")"
        check "$label: corners" "$plain" \
            "$(beside "$order" "$scratch/pin.toml" "$CORNERS" "$scratch" "$MAPPER" 2>/dev/null)"
        # tcmalloc has an mmap of its own, which asks the kernel itself: before the shim, it hides
        # the program's mappings from it, but for those that the shim finds at its start.
        rules=3 lines=1
        [ "$label" != 'libtcmalloc_minimal.so.4 before the shim' ] || rules=1 lines=0
        check "$label: rules apply" "$rules" \
            "$(PAGEPATROL_VERBOSE=1 beside "$order" "$scratch/data.toml" "$EARLY" "$scratch/data" 2>&1 >/dev/null |
                grep -c 'range .*(8 KiB): rule 1, pin')"
        check "$label: threads and forks" 'wrong 0' \
            "$(beside "$order" "$scratch/data.toml" "$FORKS" "$scratch/data" 2>"$scratch/stderr")"
        check "$label: one line" "$lines" "$(wc -l <"$scratch/stderr")"
    done
done

# In the order in which locks are taken at a fork, jemalloc and the shim are against each other.
check 'lock order: without the shim' 'wrong 0, in time' "$("$LOCK_ORDER" "$scratch/data")"
for ticking in '' ticking; do
    check "lock order: no fork is held up${ticking:+, $ticking}" 'wrong 0, in time' \
        "$(preloaded "$scratch/data.toml" "$LOCK_ORDER" "$scratch/data" $ticking 2>/dev/null)"
done

# AddressSanitizer wants its run time to be the first library. Linked in, it is.
plain=$("$CORNERS_ASAN_STATIC" "$scratch" "$MAPPER" 2>/dev/null)
check 'asan, linked in' "$plain" \
    "$(preloaded "$scratch/data.toml" "$CORNERS_ASAN_STATIC" "$scratch" "$MAPPER" 2>/dev/null)"
# As a library of its own (gcc's default) it refuses to run behind any preloaded one ...
plain=$("$GOLDEN_ASAN" "$scratch/data" 2>/dev/null)
check 'asan, a library: output' yes "$([ -n "$plain" ] && echo yes)"
preloaded "$scratch/data.toml" "$GOLDEN_ASAN" "$scratch/data" >"$scratch/stdout" 2>"$scratch/stderr"
check 'asan, a library: refuses' '1 1' "$? $(grep -c 'ASan runtime does not come first' "$scratch/stderr")"
# ... and there are two ways out.
check 'asan, a library: told not to mind' "$plain" \
    "$(ASAN_OPTIONS=verify_asan_link_order=0 preloaded "$scratch/data.toml" "$GOLDEN_ASAN" "$scratch/data" 2>/dev/null)"
asan=$(ldd "$GOLDEN_ASAN" | sed -n 's/.*libasan.* => \([^ ]*\).*/\1/p')
check 'asan, a library: preloaded before the shim' "$plain" \
    "$(beside "$asan:$SHIM" "$scratch/data.toml" "$GOLDEN_ASAN" "$scratch/data" 2>"$scratch/stderr")"
check 'asan: nothing to report about the shim' 0 "$(grep -c Sanitizer "$scratch/stderr")"

plain=$("$CORNERS_UBSAN" "$scratch" "$MAPPER" 2>/dev/null)
check 'ubsan' "$plain" "$(preloaded "$scratch/data.toml" "$CORNERS_UBSAN" "$scratch" "$MAPPER" 2>/dev/null)"

# ThreadSanitizer fails the program (status 66) for a race it believes to see in the shim, whose
# lock it can't know. Where it does not run at all (too much address randomisation for it) that
# is so without the shim.
tsan=''
"$FORKS_TSAN" "$scratch/data" >/dev/null 2>&1 || tsan='setarch -R'
check 'tsan' 'wrong 0' "$($tsan "$FORKS_TSAN" "$scratch/data" 2>&1)"
# shellcheck disable=SC2086
check 'tsan: no race seen' 'wrong 0
status 0' "$(LD_PRELOAD=$SHIM PAGEPATROL_POLICY=$scratch/data.toml $tsan "$FORKS_TSAN" "$scratch/data" 2>"$scratch/stderr"; echo "status $?")"
check 'tsan: nothing to report about the shim' 0 "$(grep -c Sanitizer "$scratch/stderr")"
finish
