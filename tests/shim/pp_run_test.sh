#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# pp-run: its command line is an interface.
# shellcheck disable=SC2016 source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 99

status() {
    "$PP_RUN" "$@" >/dev/null 2>&1
    echo $?
}
check 'exit status' 7 "$(status -- sh -c 'exit 7')"
check 'no command' 2 "$(status)"
check 'no command after --' 2 "$(status --)"
check 'unknown option' 2 "$(status --polciy x true)"
check '--policy without file' 2 "$(status --policy)"
check 'not found' 127 "$(status -- no-such-command-here)"
check 'not found, with a path' 127 "$(status -- ./no-such-command-here)"
check 'not executable' 126 "$(status -- ./data)"
check '... said in our own words' 1 "$("$PP_RUN" -- ./data 2>&1 | grep -c '^pp-run: ./data: not executable. HINT: ')"
check 'a folder' '126 1' "$(status -- ./home) $("$PP_RUN" -- ./home 2>&1 | grep -c '^pp-run: ./home: is a folder')"
check 'help' 0 "$(status --help)"
check 'usage goes to stderr' 0 "$("$PP_RUN" 2>/dev/null | wc -c)"
check 'version' 1 "$("$PP_RUN" --version | grep -cE '^pp-run \(PagePatrol\) [0-9]+\.[0-9]+\.[0-9]+$')"
check 'killed by a signal' 143 "$("$PP_RUN" -- sh -c 'kill -TERM $$' 2>/dev/null; echo $?)"
"$PP_RUN" -- sh -c 'echo $$ >pid; exec sleep 20' 2>/dev/null &
child=$!
while [ ! -s pid ]; do sleep 0.05; done
check 'does not stay in the process tree' "$child" "$(cat pid)"
kill "$child"
wait "$child"
check 'signal reaches the command' 143 $?

check 'arguments as they are' "$(printf '[%s]' 'a b' "it's" '' '*' '$HOME' '-x')" \
    "$("$PP_RUN" -- printf '[%s]' 'a b' "it's" '' '*' '$HOME' '-x')"
check 'environment' "$SHIM $scratch/data.toml 1" \
    "$("$PP_RUN" --verbose --policy data.toml sh -c 'echo "$LD_PRELOAD $PAGEPATROL_POLICY $PAGEPATROL_VERBOSE"' 2>/dev/null)"
check 'policy left alone without --policy' 'unset mine' \
    "$("$PP_RUN" sh -c 'echo ${PAGEPATROL_POLICY-unset}' | tr '\n' ' ')$(PAGEPATROL_POLICY=mine "$PP_RUN" sh -c 'echo $PAGEPATROL_POLICY' 2>/dev/null)"
other=$(find /lib /usr/lib -name 'libm.so.6' 2>/dev/null | head -n 1)
check 'prepends' "$SHIM:$other" "$(LD_PRELOAD=$other "$PP_RUN" sh -c 'echo "$LD_PRELOAD"')"
check 'not twice' "$SHIM" "$(LD_PRELOAD=$SHIM "$PP_RUN" sh -c 'echo "$LD_PRELOAD"')"

line=$("$PP_RUN" --dry-run --policy=data.toml -- printf '[%s]' 'a b' "it's" '')
check 'dry run' "LD_PRELOAD=$SHIM PAGEPATROL_POLICY=$scratch/data.toml printf '[%s]' 'a b' 'it'\\''s' ''" "$line"
check 'dry run can be pasted' "$(printf '[%s]' 'a b' "it's" '')" "$(eval "$line" 2>/dev/null)"

check 'unreadable policy: said once, command runs' 'ran 1' \
    "$("$PP_RUN" --policy nowhere.toml echo ran 2>err) $(wc -l <err)"
if [ -u /usr/bin/passwd ]; then
    "$PP_RUN" --dry-run passwd >/dev/null 2>err
    check 'setuid: a warning' 1 "$(grep -c setuid err)"
fi
if [ -x /bin/busybox ]; then
    "$PP_RUN" --dry-run busybox >/dev/null 2>err
    check 'static: a warning' 1 "$(grep -c 'statically linked' err)"
fi
"$PP_RUN" --dry-run ls >/dev/null 2>err
check 'ordinary program: none' 0 "$(wc -l <err)"
finish
