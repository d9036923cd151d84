#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# with_lock (scripts/lib.sh) when the script that holds the lock is killed: what it had
# started goes on, and so must hold others off until it ends.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=../../scripts/lib.sh
. "$repo/scripts/lib.sh"

# As a make does, it outlives its shell: until $work/go_on is there, or half a minute.
cat >"$work/builder" <<'BUILDER'
#!/bin/sh
echo begun >>"$1/log"
n=0
while [ -d "$1" ] && [ ! -e "$1/go_on" ] && [ $n -lt 300 ]; do sleep 0.1; n=$((n + 1)); done
echo done >>"$1/log"
BUILDER
chmod +x "$work/builder"
# shellcheck disable=SC2317
build() {
	echo "$BASHPID" >"$work/inner"
	"$work/builder" "$work"
}
# shellcheck disable=SC2317
write_second() { echo second >>"$work/log"; }

# until_true COMMAND...: within ten seconds
until_true() {
	local n
	for ((n = 0; n < 100; n++)); do
		"$@" && return
		sleep 0.1
	done
	return 1
}

with_lock "$work/lock" build &
holder=$!
until_true grep -qs begun "$work/log" || fail "the first command was not run"
# the shell that runs the command, and the one around it
kill -KILL "$(<"$work/inner")" "$holder" || fail "the shells had ended"
wait "$holder" 2>/dev/null
with_lock "$work/lock" write_second 2>"$work/said" &
second=$!
until_true grep -qs 'waiting for another process' "$work/said" || fail "the second does not say that it waits"
sleep 0.5
grep -q second "$work/log" && fail "the second did not wait for what the killed one had started"
: >"$work/go_on"
wait "$second" || fail "the second failed"
[ "$(tr '\n' ' ' <"$work/log")" = "begun done second " ] || fail "another order: $(tr '\n' ' ' <"$work/log")"
exit $((failures > 0))
