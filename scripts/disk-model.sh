# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# What scripts/vm's --disk-model means: the one place for the figures. Sourced by
# scripts/vm; it runs nothing by itself.
#
# Bytes and requests per second are those of Samsung's data sheets: 870 EVO (SATA; 560 MB/s,
# 13000 reads of 4 KiB per second, one at a time) and 970 EVO Plus (NVMe; 3500 MB/s, 19000).
# QEMU limits rates, not latencies: its limit of requests is that of four readers at a
# time, each waiting for one. A single reader thus waits less than on the real disk.
#
# Under emulation the processors are slower than the host's, the disk is not. It is slowed
# down as much, so that the ratio of computing to waiting is that of a real machine. The
# factor: the same work took 14 times as long in the guest (a loop of Python) to 28 times
# (rg over cached data); rounded, it is 20.
emulation_slowdown=20

known_disk_model() {
	case $1 in sata | nvme | none) ;; *) die "--disk-model: '$1' is none of sata, nvme, none" ;; esac
}

# set_disk_model MODEL ACCELERATOR: sets disk_slowdown, disk_bytes and disk_requests (per
# second; 0: no limit).
set_disk_model() {
	local megabytes=0 requests=0
	disk_slowdown=1
	[ "$2" = kvm ] || disk_slowdown=$emulation_slowdown
	case $1 in
	sata) megabytes=560 requests=52000 ;;
	nvme) megabytes=3500 requests=76000 ;;
	esac
	disk_bytes=$((megabytes * 1000000 / disk_slowdown)) disk_requests=$((requests / disk_slowdown))
}
