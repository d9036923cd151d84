# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# What the scripts of this folder share: where things are, how they speak, the
# list of Debian packages. Sourced by bash scripts; it runs nothing by itself
# and must not print to stdout, which belongs to the callers' results.

pp_repo=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
pp_cache=${PAGEPATROL_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/pagepatrol}
pp_build=${PAGEPATROL_BUILD:-$pp_repo/build}
pp_name=${0##*/}

# Debian puts mkfs, depmod and bpftool there; an ordinary user's PATH lacks it.
case ":$PATH:" in
*:/usr/sbin:*) ;;
*) PATH=$PATH:/usr/sbin:/sbin ;;
esac

say() { printf '%s: %s\n' "$pp_name" "$*" >&2; }
hint() { printf '  HINT: %s\n' "$*" >&2; }

# die MESSAGE [HINT]: ends with status 125, "the script itself failed".
die() {
	say "$1"
	[ $# -lt 2 ] || hint "$2"
	exit 125
}

# Prints the paragraph that starts with "Usage:" in the calling script's header.
usage() { sed -n '/^# Usage:/,/^[^#]*$/{s/^# \{0,1\}//p}' "$0"; }

# existing_folder OPTION PATH [HINT], existing_file OPTION PATH [HINT]: print the whole path.
existing_folder() {
	[ -d "$2" ] || die "$1: no such folder: $2" "${@:3}"
	realpath -- "$2"
}
existing_file() {
	[ -e "$2" ] && [ ! -d "$2" ] || die "$1: no such file: $2" "${@:3}"
	realpath -- "$2"
}

# with_lock FILE COMMAND...: one at a time over all processes of the machine. What the
# command starts holds the lock too (a make survives the script that was killed); it goes
# with the last of them, so an interrupted run leaves none behind.
with_lock() {
	local file=$1
	shift
	mkdir -p "$(dirname -- "$file")" || die "can't create $(dirname -- "$file")" "set PAGEPATROL_CACHE to a folder you may write to"
	(
		flock -n 9 || { say "waiting for another process, which holds $file" && flock 9; } || die "can't lock $file"
		"$@"
	) 9>"$file"
}

# The kernels that scripts/vm boots and scripts/test --full goes through.
pp_kernels="stock patched debug debug-module"

# pp_kernel NAME: prints the folder of one of them, made if need be; or of any other
# that has the same shape.
pp_kernel() {
	local folder name=$1
	[ ! -f "$1/release" ] || name=folder
	case $name in
	stock) "$pp_repo/scripts/fetch-kernel" ;;
	patched) "$pp_repo/kernel/build-kernel" ;;
	debug) "$pp_repo/kernel/build-kernel" --debug ;;
	debug-module) "$pp_repo/kernel/build-kernel" --debug --for-module ;;
	6.*) "$pp_repo/scripts/fetch-kernel" "$1" ;;
	folder)
		folder=$(realpath -- "$1")
		case $folder in *[[:space:]]*) die "'$1': a kernel's folder can't have a blank in its path" "make, which builds the module for it, takes none" ;; esac
		echo "$folder"
		;;
	*)
		die "'$1' is no kernel: none of ${pp_kernels// /, }, 6.12-rt, 6.1, nor a folder with a file \`release\`" \
			"scripts/fetch-kernel and kernel/build-kernel print such folders"
		;;
	esac
}

# Is that kernel (a folder) one for debugging? Then it is slow and wants memory.
pp_kernel_debugs() { grep -qx CONFIG_KASAN=y "$1/boot/config-$(<"$1/release")"; }

# pp_kernel_slowness FOLDER: prints how much longer than on a stock kernel anything may take.
# On PREEMPT_RT what frees BPF programs (RCU callbacks, kworkers) has to wait its turn among
# the threads that use up the processors.
pp_kernel_slowness() {
	if pp_kernel_debugs "$1"; then
		echo 5
	elif grep -qx CONFIG_PREEMPT_RT=y "$1/boot/config-$(<"$1/release")"; then
		echo 2
	else
		echo 1
	fi
}

# Is PagePatrol built into that kernel (a folder)?
pp_kernel_built_in() { grep -qx CONFIG_PAGEPATROL=y "$1/boot/config-$(<"$1/release")"; }

# pp_module FOLDER: prints the path of the module for that kernel, built if need be;
# nothing if PagePatrol is built into it.
pp_module() {
	pp_kernel_built_in "$1" ||
		"$pp_repo/scripts/build-module" --kdir "$1/usr/src/linux-headers-$(<"$1/release")"
}

# Every Debian 12 package that is needed, with its reason.
pp_packages() {
	sed 's/[[:space:]]*#.*//; /^$/d' <<'LIST'
g++                  # user space, C++20
meson                # build
ninja-build          # build
pkg-config           # finds the libraries below
libbpf-dev           # loads the BPF programs
libtomlplusplus-dev  # reads policies
libgtest-dev         # tests
liblmdb-dev          # bench: pp-kv
libleveldb-dev       # bench: pp-kv
librocksdb-dev       # bench: pp-kv
libsqlite3-dev       # bench: pp-kv
bpftool              # skeletons from BPF objects
make                 # kernel module
gcc-12               # kernel module: the compiler Debian's kernel was built with
pahole               # kernel module: its BTF
flex                 # kernel: its configuration (kernel/build-kernel, kernel/check-series)
bison                # kernel: the same
bc                   # kernel: its time constants
libelf-dev           # kernel: its build's own tools
libssl-dev           # kernel: the same, with a distribution's configuration
openssl              # kernel: the key that such a one has made for its modules
zstd                 # kernel: how a distribution's is compressed
perl                 # kernel: checkpatch
kmod                 # depmod for the unpacked kernel
qemu-system-x86      # the VM
busybox-static       # first process of the VM
nbdkit               # bench/run: the VM's disk that is like a SATA SSD
cpio                 # initramfs of the VM
xz-utils             # kernel modules are compressed
e2fsprogs            # the VM's scratch disk
python3              # test report, demo report
ripgrep              # the demo's unmodified program; tests
strace               # tests look at what reaches the kernel
git                  # tests run it under the shim and with its policy
lmdb-utils           # tests: one large mapping
rocksdb-tools        # tests: mapped tables, threads; its policy
sqlite3              # tests: a mapped database; its policy
python3-lmdb         # tests: LMDB with its policy
python3-plyvel       # tests: LevelDB with its policy
python3-numpy        # tests: a mapped model with its policy
vmtouch              # bench/run: locks files, one of the alternatives
nocache              # bench/run: drops what a program read, another
linux-perf           # bench/run: where the time goes
b3sum                # tests: a backup job that maps what it reads
libeatmydata1        # tests: another preloaded library
libjemalloc2         # tests: preloaded allocator; Redis
libmimalloc2.0       # tests: preloaded allocator
libtcmalloc-minimal4 # tests: preloaded allocator
libatomic1           # Redis, see scripts/fetch-programs
libinih1             # xfsprogs, see scripts/fetch-programs
liburcu8             # xfsprogs
liblzf1              # Redis
libsystemd0          # Redis, PostgreSQL
libgssapi-krb5-2     # PostgreSQL, see scripts/fetch-programs
libicu72             # PostgreSQL
libldap-2.5-0        # PostgreSQL
liblz4-1             # PostgreSQL
libpq5               # PostgreSQL
libreadline8         # PostgreSQL
libssl3              # PostgreSQL, Redis
libxml2              # PostgreSQL
tzdata               # PostgreSQL
util-linux           # flock
LIST
}
# The compiler for BPF programs, best first.
pp_bpf_compilers="clang-19 clang-16"
