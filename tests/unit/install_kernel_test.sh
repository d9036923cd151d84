#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# kernel/install-kernel into a root of its own, with a made-up kernel: what it
# installs and removes, and above all what it refuses. Also the table of kernels that
# scripts/test_results.py keeps. Needs no root and changes nothing outside its folder.
# shellcheck disable=SC2015
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "$0")/lib.sh"

# A folder as kernel/build-kernel prints it.
make_kernel() {
	local folder=$1 release=$2
	mkdir -p "$folder"/{boot,lib/modules/"$release"/kernel,usr/src/linux-headers-"$release"}
	for file in vmlinuz System.map config; do echo "$file" >"$folder/boot/$file-$release"; done
	echo module >"$folder/lib/modules/$release/kernel/some.ko"
	echo header >"$folder/usr/src/linux-headers-$release/Makefile"
	echo "$release" >"$folder/release"
	echo "${3-own}" >"$folder/configured-from"
}

# install ARGUMENT...: leaves its status in $rc, what it said in $work/said
install() {
	rc=0
	"$repo/kernel/install-kernel" "$@" >"$work/said" 2>&1 || rc=$?
}
refuses() {
	local why=$1
	shift
	install "$@"
	[ $rc = 125 ] && grep -qe "$why" "$work/said" || fail "install-kernel $*: status $rc, and not the refusal '$why'"
}

# Onto this machine, in mounts of its own: with hooks, and before that without any.
# shellcheck disable=SC2016
onto_this_machine() {
	unshare --mount bash -euc '
		for folder in /boot /etc/kernel /usr/src; do mount -t tmpfs none "$folder"; done
		mkdir /boot/upper /boot/work
		mount -t overlay -o lowerdir=/usr/lib,upperdir=/boot/upper,workdir=/boot/work none /usr/lib # /lib/modules may not be there
		mkdir -p /lib/modules
		mount -t tmpfs none /lib/modules
		"$0" "$1"
		"$0" --remove 6.12.1-mine
		for when in postinst prerm postrm; do
			mkdir "/etc/kernel/$when.d"
			echo "#!/bin/sh
				echo $when \$* \$(echo /lib/modules/*) >>/etc/kernel/called" >"/etc/kernel/$when.d/zz-menu"
			chmod +x "/etc/kernel/$when.d/zz-menu"
		done
		mkdir /boot/grub
		echo "touch /boot/initrd.img-\$1; echo linux \$2 >/boot/grub/grub.cfg" >>/etc/kernel/postinst.d/zz-menu
		echo --- with hooks
		"$0" "$1"
		"$0" --remove 6.12.1-mine
		find /boot /lib/modules /usr/src -name "*-mine*"
		cat /etc/kernel/called' "$repo/kernel/install-kernel" "$work/own" >"$work/onto" 2>&1 || { cat "$work/onto"; return 1; }
	grep -v ^depmod: "$work/onto" | diff - <(
		cat <<-'SAID'
			install-kernel: no initramfs was made: neither initramfs-tools nor dracut is here
			  HINT: apt-get install initramfs-tools, then update-initramfs -c -k 6.12.1-mine
			install-kernel: neither GRUB's nor systemd-boot's menu names 6.12.1-mine: the boot loader does not know of it yet
			  HINT: add an entry: kernel /boot/vmlinuz-6.12.1-mine, initramfs /boot/initrd.img-6.12.1-mine, and the parameters of /proc/cmdline
			install-kernel: installed 6.12.1-mine; boot it from the menu, then: uname -r
			--- with hooks
			install-kernel: installed 6.12.1-mine; boot it from the menu, then: uname -r
			postinst 6.12.1-mine /boot/vmlinuz-6.12.1-mine /lib/modules/6.12.1-mine
			prerm 6.12.1-mine /boot/vmlinuz-6.12.1-mine /lib/modules/6.12.1-mine
			postrm 6.12.1-mine /boot/vmlinuz-6.12.1-mine /lib/modules/*
		SAID
	)
}

mkdir "$work/root"
make_kernel "$work/own" 6.12.1-mine
make_kernel "$work/small" 6.12.1-small fragment
make_kernel "$work/running" "$(uname -r)"

install --dry-run --root "$work/root" "$work/own"
[ $rc = 0 ] && grep -q vmlinuz-6.12.1-mine "$work/said" && [ -z "$(ls -A "$work/root")" ] || fail "--dry-run must say it and do nothing"
refuses 'the kernel that runs now' --root "$work/root" "$work/running"
refuses 'the kernel that runs now' --remove "$(uname -r)"
refuses 'drivers for QEMU' --root "$work/root" "$work/small"
refuses 'holds no kernel' "$work"
make_kernel "$work/half" 6.12.1-half
rm -r "$work/half/lib"
refuses 'has no lib/modules/6.12.1-half' --dry-run "$work/half"
refuses 'no kernel 6.12.1-mine that this script installed' --root "$work/root" --remove 6.12.1-mine
refuses 'is no release' --root "$work/root" --remove ../..

# root owns what is installed
if [ "$(id -u)" = 0 ]; then
	install --root "$work/root" "$work/own"
	[ $rc = 0 ] && cmp -s "$work/own/boot/vmlinuz-6.12.1-mine" "$work/root/boot/vmlinuz-6.12.1-mine" &&
		[ -f "$work/root/lib/modules/6.12.1-mine/kernel/some.ko" ] && [ -f "$work/root/usr/src/linux-headers-6.12.1-mine/Makefile" ] ||
		fail "not all was installed: status $rc"
	refuses 'is installed already' --root "$work/root" "$work/own"
	touch "$work/root/lib/modules/6.12.1-mine/kernel/stale.ko"
	install --root "$work/root" --replace "$work/own"
	[ $rc = 0 ] || fail "--replace: status $rc"
	[ -f "$work/root/lib/modules/6.12.1-mine/kernel/some.ko" ] && [ ! -e "$work/root/lib/modules/6.12.1-mine/kernel/stale.ko" ] ||
		fail "--replace leaves modules of the one before"
	install --root "$work/root" --remove 6.12.1-mine
	[ $rc = 0 ] && [ -z "$(find "$work/root" -name '*6.12.1-mine*')" ] || fail "--remove leaves something behind"
	mkdir -p "$work/root/lib/modules/6.12.1-mine"
	refuses 'did not install it' --root "$work/root" "$work/own"
	onto_this_machine >"$work/said" 2>&1 || fail "onto this machine: what the hooks make, and what is missing without them"
fi

table() { python3 "$repo/scripts/test_results.py" table "$@"; }
printf '%s\n' 'text' '<!-- kernels: begin -->' '| kernel | release | load | unit | shim | bpf | vm | commit |' \
	'| --- | --- | --- | --- | --- | --- | --- | --- |' '| a | 1 | yes | - | - | 3 passed | - | c0 |' \
	'| b | 1 | yes | - | - | 3 passed | - | c0 |' '<!-- kernels: end -->' 'more' >"$work/table.md"
printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' a 1 vm 5 1 2 c1 '' b 2 load 0 1 0 c1 'no: too old' >"$work/rows.tsv"
table "$work/rows.tsv" "$work/table.md"
diff - "$work/table.md" >"$work/said" <<'TABLE' || fail "the table of kernels:"
text
<!-- kernels: begin -->
| kernel | release | load | unit | shim | bpf | vm | commit |
| --- | --- | --- | --- | --- | --- | --- | --- |
| a | 1 | yes | - | - | 3 passed | 5 passed, 1 failed, 2 skipped | c1 |
| b | 2 | no: too old | - | - | - | - | c1 |
<!-- kernels: end -->
more
TABLE
exit $((failures > 0))
