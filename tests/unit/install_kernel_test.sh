#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# kernel/install-kernel into a root of its own, with a made-up kernel: what it
# installs and removes, and above all what it refuses. Needs no root and changes nothing
# outside its folder.
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

# Onto this machine, in mounts of its own: without hooks, then with some. $1: install-kernel,
# $2: the kernel's folder, $3: one to work in.
inside() {
	cat <<'INSIDE'
set -eu
mount -t tmpfs none "$3"
mkdir "$3"/{libs,libs-work,src,src-work,root}
# these may lack /lib/modules, or hold this repository
mount -t overlay -o lowerdir=/usr/lib,upperdir="$3/libs",workdir="$3/libs-work" none /usr/lib
mount -t overlay -o lowerdir=/usr/src,upperdir="$3/src",workdir="$3/src-work" none /usr/src
mkdir -p /lib/modules
for folder in /boot /etc/kernel /lib/modules; do mount -t tmpfs none "$folder"; done
step() {
	echo "--- $*"
	"$@" || echo "status $?"
	[ ! -e /etc/kernel/called ] || cat /etc/kernel/called
	rm -f /etc/kernel/called
}
step "$1" "$2"
step "$1" --remove 6.12.1-mine
for when in postinst prerm postrm; do
	mkdir "/etc/kernel/$when.d"
	cat >"/etc/kernel/$when.d/zz-menu" <<'HOOK'
#!/bin/sh
cd /
echo "${0%/*}" "$@" $(ls -d boot/vmlinuz-"$1" lib/modules/"$1"/modules.dep lib/modules/"$1"/build/Makefile 2>/dev/null) >>/etc/kernel/called
HOOK
	chmod +x "/etc/kernel/$when.d/zz-menu"
done
step "$1" --dry-run "$2" | grep -v -e '^.mkdir' -e '^.touch' -e '^.install' -e '^.rm' -e '^.cp' -e '^.ln' -e '^.chown' -e '^.depmod'
mkdir /boot/grub
echo 'touch /boot/initrd.img-$1; echo linux $2-debug >/boot/grub/grub.cfg' >>/etc/kernel/postinst.d/zz-menu
step "$1" "$2"
echo 'echo linux $2 >>/boot/grub/grub.cfg' >>/etc/kernel/postinst.d/zz-menu
ln -s /bin/false /etc/kernel/postinst.d/dkms
step "$1" --replace "$2"
rm /etc/kernel/postinst.d/dkms
step "$1" --replace "$2"
step "$1" --root "$3/root" "$2"
step "$1" --remove 6.12.1-mine
step "$1" "$2" >/dev/null 2>&1
ln -s /bin/false /etc/kernel/postrm.d/dkms
step "$1" --remove 6.12.1-mine
find /boot /lib/modules /usr/src -name '*-mine*'
INSIDE
}
onto_this_machine() {
	unshare --mount bash -c "$(inside)" bash "$repo/kernel/install-kernel" "$work/own" "$work/inside" >"$work/onto" 2>&1 || { cat "$work/onto"; return 1; }
	sed -e '/^depmod:/d' -e "s|$repo/||g; s|$work/||g" "$work/onto" | diff - <(
		cat <<'SAID'
--- kernel/install-kernel own
install-kernel: no hook made an initramfs, without which most machines do not boot it
  HINT: apt-get install initramfs-tools, then update-initramfs -c -k 6.12.1-mine
install-kernel: neither GRUB's nor systemd-boot's menu names 6.12.1-mine: the boot loader does not know of it yet
  HINT: add an entry: kernel /boot/vmlinuz-6.12.1-mine, initramfs /boot/initrd.img-6.12.1-mine, and the parameters of /proc/cmdline
install-kernel: installed 6.12.1-mine; boot it from the menu, then: uname -r
--- kernel/install-kernel --remove 6.12.1-mine
--- kernel/install-kernel --dry-run own
'env' '-u' 'INITRD' '-u' 'DEB_MAINT_PARAMS' 'run-parts' '--report' '--arg=6.12.1-mine' '--arg=/boot/vmlinuz-6.12.1-mine' '/etc/kernel/postinst.d'
--- kernel/install-kernel own
install-kernel: neither GRUB's nor systemd-boot's menu names 6.12.1-mine: the boot loader does not know of it yet
  HINT: add an entry: kernel /boot/vmlinuz-6.12.1-mine, initramfs /boot/initrd.img-6.12.1-mine, and the parameters of /proc/cmdline
install-kernel: installed 6.12.1-mine; boot it from the menu, then: uname -r
/etc/kernel/postinst.d 6.12.1-mine /boot/vmlinuz-6.12.1-mine boot/vmlinuz-6.12.1-mine lib/modules/6.12.1-mine/build/Makefile lib/modules/6.12.1-mine/modules.dep
--- kernel/install-kernel --replace own
run-parts: /etc/kernel/postinst.d/dkms exited with return code 1
install-kernel: one of the hooks in /etc/kernel/postinst.d failed; the others ran
install-kernel: 6.12.1-mine is installed, but a hook failed (see above)
  HINT: mend that and run this again with --replace, or take it away: kernel/install-kernel --remove 6.12.1-mine
status 125
/etc/kernel/prerm.d 6.12.1-mine /boot/vmlinuz-6.12.1-mine boot/vmlinuz-6.12.1-mine lib/modules/6.12.1-mine/build/Makefile lib/modules/6.12.1-mine/modules.dep
/etc/kernel/postinst.d 6.12.1-mine /boot/vmlinuz-6.12.1-mine boot/vmlinuz-6.12.1-mine lib/modules/6.12.1-mine/build/Makefile lib/modules/6.12.1-mine/modules.dep
--- kernel/install-kernel --replace own
install-kernel: installed 6.12.1-mine; boot it from the menu, then: uname -r
/etc/kernel/prerm.d 6.12.1-mine /boot/vmlinuz-6.12.1-mine boot/vmlinuz-6.12.1-mine lib/modules/6.12.1-mine/build/Makefile lib/modules/6.12.1-mine/modules.dep
/etc/kernel/postinst.d 6.12.1-mine /boot/vmlinuz-6.12.1-mine boot/vmlinuz-6.12.1-mine lib/modules/6.12.1-mine/build/Makefile lib/modules/6.12.1-mine/modules.dep
--- kernel/install-kernel --root inside/root own
install-kernel: installed 6.12.1-mine in inside/root; an initramfs and a boot entry are to be made in there
--- kernel/install-kernel --remove 6.12.1-mine
/etc/kernel/prerm.d 6.12.1-mine /boot/vmlinuz-6.12.1-mine boot/vmlinuz-6.12.1-mine lib/modules/6.12.1-mine/build/Makefile lib/modules/6.12.1-mine/modules.dep
/etc/kernel/postrm.d 6.12.1-mine /boot/vmlinuz-6.12.1-mine lib/modules/6.12.1-mine/modules.dep
--- kernel/install-kernel --remove 6.12.1-mine
run-parts: /etc/kernel/postrm.d/dkms exited with return code 1
install-kernel: one of the hooks in /etc/kernel/postrm.d failed; the others ran
install-kernel: 6.12.1-mine is gone, but a hook failed (see above): the boot menu may name it still
  HINT: mend that, then update-grub
status 125
/etc/kernel/prerm.d 6.12.1-mine /boot/vmlinuz-6.12.1-mine boot/vmlinuz-6.12.1-mine lib/modules/6.12.1-mine/build/Makefile lib/modules/6.12.1-mine/modules.dep
/etc/kernel/postrm.d 6.12.1-mine /boot/vmlinuz-6.12.1-mine lib/modules/6.12.1-mine/modules.dep
SAID
	)
}

mkdir "$work/root" "$work/inside"
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
	for foreign in lib/modules/6.12.1-mine usr/src/linux-headers-6.12.1-mine boot/config-6.12.1-mine; do
		mkdir -p "$work/root/$foreign"
		refuses "did not install it: .*/$foreign\$" --root "$work/root" "$work/own"
		rmdir "$work/root/$foreign"
	done
	if ! unshare --mount true; then
		echo "not tested: installing onto this machine, which may not have mounts of its own"
	elif ! onto_this_machine >"$work/said" 2>&1; then
		fail "onto this machine: what the hooks make, and what is missing without them"
	fi
fi

exit $((failures > 0))
