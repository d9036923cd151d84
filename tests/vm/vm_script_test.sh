#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests of scripts/vm itself, from outside: what a caller is promised, and above all
# that what goes wrong in the guest can't look like success. Prints one line
# `ok - NAME` or `not ok - NAME` per test; scripts/test counts them. It needs
# nothing but the kernel: the module is not loaded, ppctl is a stand-in.
set -u
repo=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
vm=$repo/scripts/vm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

check() {
	local name=$1
	shift
	if "$@"; then
		echo "ok - $name"
	else
		echo "not ok - $name"
		failures=$((failures + 1))
	fi
}

# run NAME ARGUMENT...: leaves $work/NAME.out, .err and .rc behind.
run() {
	local name=$1 rc=0
	shift
	"$vm" --timeout 60 "$@" >"$work/$name.out" 2>"$work/$name.err" </dev/null || rc=$?
	echo "$rc" >"$work/$name.rc"
}
rc_is() { [ "$(<"$work/$1.rc")" = "$2" ] || { sed "s/^/# $1: /" "$work/$1.err"; echo "# $1: status $(<"$work/$1.rc"), not $2"; false; }; }
out_is() { [ "$2" = "$(<"$work/$1.out")" ] || { diff <(printf '%s\n' "$2") "$work/$1.out" | sed 's/^/# /'; false; }; }
without_cx16() { err_has "$1" '^flags.* cx8 ' && ! grep '^flags.* cx16' "$work/$1.err"; }
err_has() { grep -qe "$2" "$work/$1.err" || { sed "s/^/# $1: /" "$work/$1.err"; false; }; }

ordinary() {
	local blob=$work/blob writes="$work/written by guest"
	head -c 3000000 /dev/urandom >"$blob"
	mkdir "$work/shared" "$work/data"
	echo precious >"$work/data/file"
	# shellcheck disable=SC2016
	PAGEPATROL_TEST_VALUE='a "b" $c' run ordinary --no-load --lru classic --memory-limit 96MiB --data "$work/data" --share "$work/shared" -- \
		bash -c 'cat "$1"
			{ echo "$PWD|$PAGEPATROL_TEST_VALUE|$2|$(cat /scratch/file)|$(id -u)|$(cat /proc/self/cgroup)"
			cat /sys/kernel/mm/lru_gen/enabled /sys/fs/cgroup/pp/memory.max
			uname -r; stat -f -c %T /scratch
			sed -n "/^flags/ { p; q }" /proc/cpuinfo; } >&2
			echo lost >"$3"; echo kept >"$4/kept"; dd if=/dev/zero of=/scratch/zero bs=1M count=8 2>/dev/null
			(sleep 1000 &); exit 3' sh "$blob" "it's  two" "$writes" "$work/shared"
	check "the command's exit status is the script's" rc_is ordinary 3
	check "3 MB of binary data on stdout arrive unchanged" cmp "$blob" "$work/ordinary.out"
	check "working folder, environment, arguments, --data and cgroup" err_has ordinary \
		"^$PWD|a \"b\" \$c|it's  two|precious|0|0::/pp\$"
	check "--lru classic" err_has ordinary '^0x0000$'
	check "--memory-limit" err_has ordinary '^100663296$'
	check "the kernel is Debian's" err_has ordinary '^6\.12\..*+deb12-amd64$'
	"$vm" --no-load --describe | grep -q '"accelerator": "kvm"' ||
		check "no emulated cmpxchg16b, after which QEMU 7.2 has rubbish in EFLAGS" without_cx16 ordinary
	check "/scratch is ext4" err_has ordinary '^ext2/ext3$'
	check "what the guest writes does not reach the host" [ ! -e "$writes" ]
	check "but for --share" grep -qx kept "$work/shared/kept"
}

disk() {
	mkdir -p "$work/disk"
	echo content >"$work/disk/file"
	"$vm" --make-disk "$work/disk.img" --data "$work/disk" --scratch-size 64M
	local before
	before=$(sha256sum <"$work/disk.img")
	run disk --no-load --disk "$work/disk.img" -- sh -c 'cat /scratch/file /sys/kernel/mm/lru_gen/enabled /sys/fs/cgroup/pp/memory.max; echo x >/scratch/file'
	check "--disk gives the image's content, MGLRU is the default, no limit too" out_is disk $'content\n0x0007\nmax'
	check "--disk leaves the image as it was" [ "$before" = "$(sha256sum <"$work/disk.img")" ]
	(cd "$work" && PAGEPATROL_ACCEL=tcg run slow --no-load --disk disk.img --disk-model sata -- sh -c 'cat /scratch/file
		echo written >/scratch/file; sync; echo 3 >/proc/sys/vm/drop_caches; cat /scratch/file')
	check "a slow disk is read and written like any other" out_is slow $'content\nwritten'
	check "... and stays as it was" [ "$before" = "$(sha256sum <"$work/disk.img")" ]
}

failing() {
	# shellcheck disable=SC2016
	run signal --no-load -- sh -c 'kill -SEGV $$'
	check "a signal is 128 + N" rc_is signal 139
	run missing --no-load -- /no/such/command
	check "a command that does not exist is 127" rc_is missing 127
	run oom --no-load --memory-limit 64M -- python3 -c 'bytearray(200 << 20)'
	check "the memory limit holds: SIGKILL" rc_is oom 137
	check "... and it is said who was killed" err_has oom 'Killed process'
	run crash --no-load -- sh -c 'echo c >/proc/sysrq-trigger; sleep 30'
	check "a kernel crash is a failure" rc_is crash 125
	check "... with the report" err_has crash 'panic.*sysrq triggered crash'
	run power --no-load -- busybox poweroff -f
	check "an early power-off is a failure" rc_is power 125
	run warning --no-load -- sh -c 'echo "WARNING: made up by the test" >/dev/kmsg'
	check "a kernel warning is a failure, though the command succeeded" rc_is warning 125
	check "... and is shown" err_has warning 'made up by the test'
	run unlogged --no-load -- sh -c 'mount -o bind /dev/null /dev/kmsg'
	check "a kernel log that can't be checked is a failure" rc_is unlogged 125
	run slow --no-load --timeout 2 -- sleep 100
	check "a command that takes too long is 124" rc_is slow 124
	# Without the processes that enforce the guest's own limit.
	# shellcheck disable=SC2016
	PAGEPATROL_VM_GRACE=25 run hung --no-load --timeout 5 -- sh -c 'for p in $(pgrep -P 1); do [ $p = $$ ] || kill -9 $p; done; sleep 1000'
	check "a guest that does not end by itself is killed" rc_is hung 124
	check "... and it says so" err_has hung 'hung and was killed'
	PAGEPATROL_VM_GRACE=1 run boot --no-load --timeout 0 -- true
	check "a guest that does not boot in time is a failure" rc_is boot 125
	check "... and it says so" err_has boot 'did not boot'
}

# judged LINE...: the verdict over a made-up guest whose command succeeded and whose log
# has these lines; what comes after "END" it said while it ended.
# shellcheck disable=SC2034,SC2317,SC2329
judged() (
	job=$work/judged outer_timeout=9 timeout=5 outer_timeout_hit=${hit-no}
	rm -rf "$job" && mkdir "$job" || exit
	printf '%s\n' running "exit 0" >"$job/status"
	printf '[ 1.0] %s\n' "Linux version" "$@" >"$job/console"
	sed -i 's/ END$/ pagepatrol-vm: end of log/' "$job/console"
	sed '/end of log/q' "$job/console" >"$job/dmesg"
	say() { echo "$*" >&2; }
	# shellcheck source-path=SCRIPTDIR/../../scripts source=vm_verdict.sh
	. "$repo/scripts/vm_verdict.sh"
	verdict >/dev/null 2>&1
)
is() {
	local rc=0 wanted=$1
	shift
	judged "$@" || rc=$?
	[ $rc = "$wanted" ] || { echo "# status $rc, not $wanted"; false; }
}
judging() {
	local kill='Memory cgroup out of memory: Killed process 7 (x)'
	check "a log without warnings is fine" is 0 fine END
	check "a warning after the command is not" is 125 fine END "Oops: 0000"
	hit=yes check "nor is a guest that never powered off" is 125 fine END
	check "an OOM kill's report is no warning" is 0 "x invoked oom-killer" "Call Trace:" "$kill" END
	check "... what comes after it is" is 125 "x invoked oom-killer" "Call Trace:" "$kill" "Call Trace:" END
	check "... also where the victim was ending already" is 125 "x invoked oom-killer" "OOM victim 7 (x) is already exiting. Skip killing the task" "Call Trace:" END
	check "... or the report has no end" is 125 "x invoked oom-killer" "Call Trace:" END
	check "... and what is found within it" is 125 "x invoked oom-killer" "BUG: KASAN: made up" "$kill" END
	check "a checker that gave up is a failure" is 125 "ODEBUG: Out of memory. ODEBUG disabled" END
}

loading() {
	local fake=$work/build module
	mkdir -p "$fake/ctl"
	module=$(PAGEPATROL_BUILD=$fake "$repo/scripts/build-module")
	# shellcheck disable=SC2016
	printf '%s\n' '#!/bin/sh' 'echo "$@; cgroup $(cat /proc/self/cgroup)" | tee /tmp/loaded' '[ ! -e /etc/refuse ]' >"$fake/ctl/ppctl"
	chmod +x "$fake/ctl/ppctl"
	PAGEPATROL_BUILD=$fake run load -- cat /tmp/loaded
	check "ppctl loads the module outside the limited cgroup" out_is load "load --module $module; cgroup 0::/"
	printf '%s\n' '#!/bin/sh' 'echo the verifier says no >&2' 'exit 7' >"$fake/ctl/ppctl"
	PAGEPATROL_BUILD=$fake run refused -- touch "$work/never"
	check "failing to load is a failure" rc_is refused 125
	check "... with ppctl's message" err_has refused 'the verifier says no'
	rm "$fake/ctl/ppctl"
	PAGEPATROL_BUILD=$fake run unbuilt -- true
	check "a missing ppctl is said with a hint" err_has unbuilt 'HINT'
}

usage() {
	run size --no-load --memory-limit 96X -- true
	check "a bad size is refused" err_has size "'96X' is not a size"
	run model --disk-model floppy -- true
	check "an unknown disk model is refused" err_has model "'floppy' is none of sata, nvme, none"
	PAGEPATROL_ACCEL=tcg run describe --disk-model sata --describe
	check "--describe tells the disk's figures, those of the emulated disk" grep -q '"model": "sata", "slowdown": 20, "bytes_per_second": 28000000, "requests_per_second": 2600, "delay_ms": 1' "$work/describe.out"
	PAGEPATROL_ACCEL='' run parallel --parallel --describe
	check "--parallel emulates no processors in turn" grep -qE '"accelerator": "(kvm|mttcg)"' "$work/parallel.out"
	mkdir -p "$work/kernel/boot" && echo 6.99-test >"$work/kernel/release"
	echo '# CONFIG_NET_9P is not set' >"$work/kernel/boot/config-6.99-test"
	run without9p --no-load --kernel "$work/kernel" -- true
	check "a kernel that can't mount the host's files is refused" err_has without9p '6.99-test has no 9p'
	check "before anything is booted" rc_is without9p 125
	mkdir -p "$work/bin" "$work/a,b"
	printf '#!/bin/sh\necho broken >&2; exit 1\n' >"$work/bin/qemu-system-x86_64"
	chmod +x "$work/bin/qemu-system-x86_64"
	PATH=$work/bin:$PATH PAGEPATROL_ACCEL=tcg run noguest --no-load -- true
	check "a QEMU that does not start is waited for no longer" err_has noguest 'the guest did not boot'
	check "... and what it said is shown" err_has noguest 'qemu: broken'
	PAGEPATROL_ACCEL=abacus run abacus --no-load -- true
	check "an unknown accelerator is refused" err_has abacus "'abacus' is none of"
	for size in 0 08Q x; do run "size$size" --no-load --memory $size -- true; done
	check "what is no size is refused" err_has size0 'is not a size'
	check "... with a wrong suffix" err_has size08Q 'is not a size'
	check "... that is none at all" err_has sizex 'is not a size'
	TMPDIR=$work/a,b run comma --no-load -- echo passed
	check "a comma in TMPDIR" out_is comma passed
	run option --no-load --lrru classic -- true
	check "an unknown option is refused" rc_is option 125
}

side_by_side() {
	local folders
	mkdir "$work/tmp"
	TMPDIR=$work/tmp run left --no-load -- sh -c 'sleep 1; echo left; exit 1' &
	TMPDIR=$work/tmp run right --no-load -- sh -c 'sleep 1; echo right; exit 2' &
	wait
	check "two at once: the one" out_is left left
	check "two at once: the other" out_is right right
	check "two at once: statuses" [ "$(<"$work/left.rc")$(<"$work/right.rc")" = 12 ]
	PAGEPATROL_ACCEL=tcg TMPDIR=$work/tmp "$vm" --no-load --disk-model sata -- sleep 1000 >/dev/null 2>&1 &
	sleep 5
	folders=$(find "$work/tmp" -mindepth 1 -maxdepth 1)
	kill -TERM $!
	wait $!
	check "a signal ends the script" [ $? = 143 ]
	check "... no file, no guest and no disk server is left" clean_after "$folders"
}
clean_after() {
	[ -n "$1" ] && [ -z "$(find "$work/tmp" -mindepth 1)" ] && ! pgrep -f "(qemu|nbdkit).*$1" >/dev/null
}

usage
ordinary
disk
failing
judging
loading
side_by_side
[ $failures = 0 ]
