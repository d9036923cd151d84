#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# kernel/build-kernel with a made-up source, whose Makefile answers what the kernel's
# would: where the configuration comes from, what is an error, what a result holds, and
# when it is built again. Needs no network; a real build is tried by hand (kernel/README.md).
# shellcheck disable=SC2015,SC2016
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "$0")/lib.sh"

export PAGEPATROL_CACHE=$work/cache
source=$PAGEPATROL_CACHE/kernel-source/6.12.1-1
mkdir -p "$PAGEPATROL_CACHE/kernels/6.12.1+deb12-amd64" "$source"/{mm,scripts/package} "$work/patches"
echo 6.12.1+deb12-amd64 >"$PAGEPATROL_CACHE/kernels/6.12.1+deb12-amd64/release"

# Kconfig's part: an option in $LOSE is one that something it depends on does not let be.
cat >"$source/Makefile" <<'MAKEFILE'
take = sed -n '/=n$$/d; /^CONFIG_/p' $(1) | grep -v -e "^$${LOSE:-nothing}=" >$(O)/.config
allnoconfig:
	@echo $@ >>$(CALLED)
	$(call take,$(KCONFIG_ALLCONFIG))
localmodconfig:
	@echo $@ $(LSMOD) >>$(CALLED)
olddefconfig:
	@echo $@ >>$(CALLED)
	cp $(O)/.config $(O)/asked && $(call take,$(O)/asked)
bzImage:
	@echo $@ >>$(CALLED)
	mkdir -p $(O)/arch/x86/boot $(O)/include/config
	cat $(CURDIR)/mm/a.c >$(O)/arch/x86/boot/bzImage
	echo map >$(O)/System.map
	echo 6.12.1`sed -n 's/^CONFIG_LOCALVERSION="\(.*\)"/\1/p' $(O)/.config` >$(O)/include/config/kernel.release
	echo 'int a;' | gcc -c -x c - -o $(O)/a.o && objcopy --add-section .BTF=$(O)/System.map $(O)/a.o $(O)/vmlinux
modules:
	@echo $@ >>$(CALLED)
modules_install:
	mkdir -p $(INSTALL_MOD_PATH)/lib/modules/`cat $(O)/include/config/kernel.release`
run-command:
	$(KBUILD_RUN_COMMAND)
MAKEFILE
printf '#!/bin/sh\nmkdir -p "$1" && echo headers >"$1/Makefile"\n' >"$source/scripts/package/install-extmod-build"
chmod +x "$source/scripts/package/install-extmod-build"
echo old >"$source/mm/a.c"

# build ARGUMENT...: leaves its status in $rc, what it printed in $result, what it said in
# $work/said, and what make was asked for in $called
build() {
	rc=0
	: >"$work/called"
	result=$(CALLED=$work/called "$script" --patches "$work/patches" "$@" 2>"$work/said") || rc=$?
	called=$(sort "$work/called" | tr '\n' ' ') # make does two things at a time
}
script=$repo/kernel/build-kernel

build
[ $rc = 0 ] && [ "$called" = 'allnoconfig bzImage modules ' ] || fail "a first build: status $rc, make was asked for $called"
first=$result
[ "$(<"$first/release")" = 6.12.1-pagepatrol ] && [ "$(<"$first/boot/vmlinuz-6.12.1-pagepatrol")" = old ] &&
	[ "$(<"$first/configured-from")" = fragment ] && [ -f "$first/lib/modules/6.12.1-pagepatrol/build/Makefile" ] &&
	grep -qx 'CONFIG_BPF_SYSCALL=y' "$first/boot/config-6.12.1-pagepatrol" && [ -f "$first/boot/System.map-6.12.1-pagepatrol" ] ||
	fail "the result is not as it should be: $(find "$first")"

build
[ $rc = 0 ] && [ "$result" = "$first" ] && [ -z "$called" ] || fail "a second call must only print: make was asked for $called"
build --where
[ "$result" = "$first" ] || fail "--where: $result, not $first"

build --localversion -mine
[ "$(<"$result/release")" = 6.12.1-mine ] || fail "--localversion: $(<"$result/release")"
build --localversion mine
[ $rc = 125 ] && grep -q "must begin with -" "$work/said" || fail "--localversion without -: status $rc"

build --debug
[ "$(<"$result/release")" = 6.12.1-pagepatrol-debug ] && grep -qx CONFIG_KASAN=y "$result/boot/config-6.12.1-pagepatrol-debug" ||
	fail "--debug: $(<"$result/release")"

# what goes in decides, and what the tree holds follows the series both ways
a_patch >"$work/patches/0001-change.patch"
echo 0001-change.patch >"$work/patches/series"
build
[ "$result" != "$first" ] && [ "$(<"$result/boot/vmlinuz-6.12.1-pagepatrol")" = new ] || fail "the series is not in the result"
rm -r "$first" "$work/patches"/*
build
[ "$result" = "$first" ] && [ "$(<"$first/boot/vmlinuz-6.12.1-pagepatrol")" = old ] || fail "a series that is gone is still in the result"
[ "$(<"$source/mm/a.c")" = old ] || fail "the unpacked source was changed"

# an option that did not come out as asked, and one without a reason
rm -r "$first"
LOSE=CONFIG_BPF_JIT build
[ $rc = 125 ] && grep -q 'did not take: CONFIG_BPF_JIT=y$' "$work/said" && [ ! -e "$first" ] || fail "an option that was lost: status $rc"
mkdir "$work/copy"
cp -r "$repo"/{kernel,scripts,include} "$work/copy/"
echo CONFIG_NFS_FS=y >>"$work/copy/kernel/config.fragment"
script=$work/copy/kernel/build-kernel
build
[ $rc = 125 ] && grep -q 'no reason is given for line .*: CONFIG_NFS_FS=y' "$work/said" || fail "an option without a reason: status $rc"
script=$repo/kernel/build-kernel

# a configuration of one's own: what PagePatrol needs on top, no keys of a distribution's
printf 'CONFIG_SATA_AHCI=y\nCONFIG_SYSTEM_TRUSTED_KEYS="debian/certs"\nCONFIG_MODULE_SIG=y\n' >"$work/config"
build --config "$work/config"
config=$result/boot/config-6.12.1-pagepatrol
[ $rc = 0 ] && [ "$called" = 'bzImage modules olddefconfig ' ] && [ "$(<"$result/configured-from")" = own ] &&
	grep -qx CONFIG_SATA_AHCI=y "$config" && grep -qx CONFIG_BPF_SYSCALL=y "$config" && ! grep -q -e '^CONFIG_MODULE_SIG' -e debian/certs "$config" ||
	fail "--config: status $rc, make was asked for $called"
printf 'Module Size Used by\nahci 1 0\n' >"$work/lsmod"
LSMOD=$work/lsmod build --config "$work/config" --only-used-modules
[ $rc = 0 ] && [ "$called" = "bzImage localmodconfig $work/lsmod modules olddefconfig " ] || fail "--only-used-modules: status $rc, make was asked for $called"
build --only-used-modules
[ $rc = 125 ] && grep -q 'add --from-running-config' "$work/said" || fail "--only-used-modules without a configuration: status $rc"

# the configuration of the kernel that runs: where it shows it, else /boot's
if [ "$(id -u)" != 0 ] || ! unshare --mount true; then
	echo "not tested: --from-running-config, as this user may not have mounts of its own"
else
	gzip -c "$work/config" >"$work/config.gz"
	running() {
		unshare --mount bash -euc 'mount -t tmpfs none /boot
			[ ! -e /proc/config.gz ] || mount --bind "$1.gz" /proc/config.gz
			[ -e /proc/config.gz ] || cp "$1" "/boot/config-$(uname -r)"
			shift
			exec "$@"' bash "$work/config" "$@"
	}
	result=$(CALLED=$work/called running "$script" --patches "$work/patches" --from-running-config 2>"$work/said") &&
		[ "$(<"$result/configured-from")" = own ] && grep -qx CONFIG_SATA_AHCI=y "$result/boot/config-6.12.1-pagepatrol" ||
		fail "--from-running-config: $result"
fi
exit $((failures > 0))
