# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# How scripts/vm judges what became of a guest: from its kernel log, the status file
# and what kmemleak found. Sourced by it, works on its variables; changes nothing.

# A line of the guest's kernel log that matches makes the run fail ...
bad_log='BUG:|WARNING:|Oops|Call Trace|general protection fault|KASAN|KCSAN|UBSAN|[Kk]ernel panic'
bad_log+='|refcount_t:|list_(add|del) corruption|possible (circular|recursive) locking|suspicious RCU usage'
bad_log+='|inconsistent lock state|blocked for more than|soft lockup|hard LOCKUP|rcu: INFO:|self-detected stall|detected stalls on'
bad_log+='|scheduling while atomic|sleeping function called|unable to handle|invalid opcode|EXT4-fs error'
# A checker that gave up has seen nothing of what came after.
bad_log+='|ODEBUG disabled|Disabling lock debugging|lockdep is turned off|leak detector disabled'
# ... but for these: what CPU bugs the emulated processor has
fine_log='WARNING: See https://|Spectre V2 : WARNING: '

console_tail() {
	local log=$job/console first
	[ ! -s "$job/dmesg" ] || log=$job/dmesg
	if [ -s "$log" ]; then
		say "the guest's log:"
		# what the first process could not do comes before the crash that follows from it
		grep -o 'pagepatrol-vm: .*' "$log" | grep -v 'end of log' | sed 's/^/  | /' >&2 || true
		first=$(grep -nE -m 1 "$bad_log" "$log" | cut -d: -f1)
		if [ -n "$first" ]; then
			sed -n "$first,$((first + 40))p" "$log"
		else
			tail -n 15 "$log"
		fi | sed 's/^/  | /' >&2
	else
		say "the guest's console said nothing"
	fi
}

# An OOM report goes from "invoked oom-killer" to what was done about it. One without an
# end hides nothing.
without_oom_reports() {
	awk '/invoked oom-killer/ { oom = 1 }
		{ if (oom && !/BUG:|KASAN|WARNING:/) held = held $0 "\n"; else print }
		/[Oo]ut of memory.*Killed process|is already exiting\. Skip|no killable processes/ { oom = 0; held = "" }
		END { printf "%s", held }' "$1"
}

# Says what became of the guest and gives the exit status.
verdict() {
	local last bad checked=$job/dmesg.checked
	last=$(tail -n 1 "$job/status")
	case $last in
	"exit "*)
		if [ "$outer_timeout_hit" = yes ]; then
			say "the guest's command ended, but the guest did not power off within $outer_timeout s"
			console_tail
			return 125
		fi
		;;
	"load failed:"* | "setup failed:"*)
		say "$last"
		[ ! -s "$job/load.log" ] || sed 's/^/  | /' "$job/load.log" >&2
		console_tail
		return 125
		;;
	*)
		console_tail
		case $last,$outer_timeout_hit in
		"not booted",no) say "the guest did not boot" ;;
		"not booted",yes) say "the guest did not boot within $outer_timeout s" ;;
		*,no) say "the guest ended before the command did (crash or power-off)" ;;
		*,yes)
			say "the guest hung and was killed after $outer_timeout s"
			return 124
			;;
		esac
		return 125
		;;
	esac
	if ! grep -q 'pagepatrol-vm: end of log' "$job/dmesg" 2>/dev/null || ! grep -q 'Linux version' "$job/dmesg"; then
		say "the guest's kernel log did not arrive whole, so it could not be checked"
		return 125
	fi
	# An OOM kill is the command's own affair: told, not judged; its report holds a
	# call trace.
	without_oom_reports "$job/dmesg" >"$checked"
	# What came after the log was taken, while the guest ended.
	sed '1,/pagepatrol-vm: end of log/d' "$job/console" >>"$checked"
	sed -n 's/^\[[ 0-9.]*\] //; /out of memory.*Killed process/Ip' "$job/dmesg" | while read -r bad; do say "guest: $bad"; done
	if bad=$(grep -nE "$bad_log" "$checked" | grep -vE "$fine_log"); then
		say "the guest's kernel log holds warnings:"
		head -n 20 <<<"$bad" | sed 's/^/  | /' >&2
		bad=$(head -n 1 <<<"$bad")
		say "and around the first:"
		sed -n "${bad%%:*},$((${bad%%:*} + 40))p" "$checked" | sed 's/^/  | /' >&2
		[ "${last#exit }" = 0 ] || say "the command itself ended with status ${last#exit }"
		return 125
	fi
	if [ -s "$job/kmemleak" ]; then
		say "kmemleak found memory that nothing points at:"
		head -n 60 "$job/kmemleak" | sed 's/^/  | /' >&2
		[ "${last#exit }" = 0 ] || say "the command itself ended with status ${last#exit }"
		return 125
	fi
	if grep -qx timeout "$job/status"; then
		say "the command did not end within $timeout s and was killed"
		return 124
	fi
	return "${last#exit }"
}
