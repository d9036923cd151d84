#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# How the library comes into a process: what it links, what it exports, which
# policy it finds, what it says, and what it costs where no policy applies.
# shellcheck disable=SC2016 source=lib.sh
. "$(dirname "$0")/lib.sh"

check 'needs libc alone' libc.so.6 \
    "$(readelf -d "$SHIM" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')"
check 'exports libc names and pagepatrol.h alone' \
    'madvise mmap mmap64 mremap munmap pagepatrol_v1_activate pagepatrol_v1_deactivate pagepatrol_v1_pin pagepatrol_v1_unpin posix_madvise pp_activate pp_deactivate pp_pin pp_unpin prctl syscall ' \
    "$(nm -D --defined-only "$SHIM" | awk '{print $3}' | sort | tr '\n' ' ')"
check 'no lazy binding, no dynamic thread-local storage' '0 1' \
    "$(readelf -rW "$SHIM" | grep -c DTPMOD) $(readelf -d "$SHIM" | grep -c 'FLAGS_1.*NOW')"

# the policy: named, by the program's name, none
verbose() {
    # shellcheck disable=SC2069 # stderr alone
    preloaded "$1" env PAGEPATROL_VERBOSE=1 "$EARLY" "$scratch/data" 2>&1 >/dev/null
}
check 'named' 1 "$(verbose "$scratch/data.toml" | grep -c "policy $scratch/data.toml, 1 rules")"
# mapped before the constructor, in a constructor, in main
check 'ranges from before the constructor on' 3 \
    "$(verbose "$scratch/data.toml" | grep -c 'range .*(8 KiB): rule 1, pin')"
check 'no policy' 1 "$(verbose '' | grep -c 'no policy for "shim_early"')"
mkdir -p "$HOME/.config/pagepatrol" "$scratch/xdg/pagepatrol"
cp "$scratch/data.toml" "$HOME/.config/pagepatrol/shim_early.toml"
check 'by name, home folder' 1 "$(verbose '' | grep -c "policy $HOME/.config/pagepatrol/shim_early.toml")"
cp "$scratch/data.toml" "$scratch/xdg/pagepatrol/shim_early.toml"
check 'by name, XDG_CONFIG_HOME' 1 \
    "$(XDG_CONFIG_HOME=$scratch/xdg verbose '' | grep -c "policy $scratch/xdg/pagepatrol/")"
check 'an empty PAGEPATROL_POLICY is none' 0 \
    "$(LD_PRELOAD=$SHIM PAGEPATROL_POLICY='' "$EARLY" "$scratch/data" 2>&1 >/dev/null | wc -l)"
rm -r "$HOME/.config"

# errors: all of them, once; the program runs
cat >"$scratch/bad.toml" <<'TOML'
schema = 1
[[rule]]
path = "/a["
action = "pim"
TOML
check 'program runs with a bad policy' xxx "$(preloaded "$scratch/bad.toml" "$EARLY" "$scratch/data" 2>"$scratch/stderr")"
check 'both errors and the consequence' \
    "pagepatrol: $scratch/bad.toml:3:11: rule[1].path: bad glob \"/a[\": '[' is never closed; expected a ']'. HINT: write \\[ for the character
pagepatrol: $scratch/bad.toml:4:10: rule[1].action: unknown action \"pim\"; expected one of: pin, activate, deactivate, stream, prefetch, evict, unpin, none. HINT: did you mean \"pin\"?
pagepatrol: the program runs without policy" "$(cat "$scratch/stderr")"
check 'missing policy file' 1 "$(preloaded "$scratch/nowhere.toml" "$EARLY" "$scratch/data" 2>&1 >/dev/null | grep -c "nowhere.toml: can't be opened: No such file")"
check 'file that stays closed to us' 1 "$(preloaded "$scratch" "$EARLY" "$scratch/data" 2>&1 >/dev/null | grep -c 'not a regular file')"
# a message neither ends the program nor holds it up
for mode in closed full limit; do
    check "stderr that can't be written to: $mode" "xxx $mode: ended 0" \
        "$(PAGEPATROL_POLICY=$scratch/bad.toml "$STDERR" "$mode" "$EARLY" "$scratch/data" | paste -sd" " -)"
done
# no memory to read it with
seq 256 | sed 's|.*|[[rule]]\npath = "/a/{b,c,d}/**"\naction = "pin"|; 1s/^/schema = 1\n/' >"$scratch/many.toml"
(
    # shellcheck disable=SC3045
    ulimit -v 3600 2>/dev/null && preloaded "$scratch/many.toml" /bin/true 2>"$scratch/stderr"
)
check 'out of memory while reading: status' 0 $?

# what reaches the kernel
if command -v strace >/dev/null && strace -o /dev/null /bin/true 2>/dev/null; then
    # names of the calls after MARK
    calls() {
        strace -f -o "$scratch/trace" "$@" >/dev/null 2>&1
        sed -n '/MARK/,$p' "$scratch/trace" | sed -n '2,$s/^[0-9]* *\([a-z0-9_]*\)(.*/\1/p'
    }
    plain=$(calls "$PAIRS" "$scratch/data")
    check 'strace sees the calls' 26 "$(printf '%s\n' "$plain" | wc -l)"
    traced() {
        calls -E LD_PRELOAD="$SHIM" -E PAGEPATROL_POLICY="$1" "$PAIRS" "$2"
    }
    check 'no policy: not one system call more' "$plain" "$(traced '' "$scratch/data")"
    check 'no policy: nothing of ours at the start' '' \
        "$(grep -E 'bpf\(|self/maps|no-door' "$scratch/trace")"
    calls -E LD_PRELOAD="$SHIM" /bin/true >/dev/null
    check 'look-up by name: a few looks at files' 1 \
        "$(sed -n '/libpagepatrol.so/,$p' "$scratch/trace" | grep -c 'readlink.*/proc/self/exe')"
    check 'look-up by name: only ENOENT' '2 2' \
        "$(grep -cE 'pagepatrol/(policies/)?true.toml' "$scratch/trace") $(grep -c 'pagepatrol/.*true.toml.*ENOENT' "$scratch/trace")"
    check 'a policy that matches nothing: one fstat a mapping, one look at the name' "$plain" \
        "$(traced "$scratch/data.toml" /etc/passwd | grep -vE '^(fstat|readlinkat|fstatfs)$')"
    check '... exactly' '5 1 0' "$(for c in fstat readlinkat fstatfs; do sed -n '/MARK/,$p' "$scratch/trace" | grep -c " $c("; done | paste -sd' ' -)"
else
    echo 'strace is missing or not permitted: that part was skipped'
fi
finish
