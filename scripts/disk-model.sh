# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# What scripts/vm's --disk-model means: the one place for the figures. Sourced by
# scripts/vm; it runs nothing by itself.
#
# Bytes and requests per second are those of Samsung's data sheets: 870 EVO (SATA; 560 MB/s,
# 13000 reads of 4 KiB per second, one at a time) and 970 EVO Plus (NVMe; 3500 MB/s, 19000).
# QEMU limits rates, not latencies: its limit of requests is that of four readers at a
# time, each waiting for one. What a single reader waits for each (77 us, 53 us; under
# emulation 1.5 ms, 1.1 ms, see below) comes from nbdkit, which serves the disk then and
# answers each read later, by whole milliseconds. Random reads of 4 KiB, one at a time, on
# an idle host: with 1 ms 1.9 to 2.2 ms each, without it 0.3 ms. So sata has it and waits a
# third too long, and nvme does without and waits too little.
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
# second; 0: no limit), disk_delay (ms; 0: none).
set_disk_model() {
	local megabytes=0 requests=0
	disk_slowdown=1 disk_delay=0
	case $1 in
	sata) megabytes=560 requests=52000 disk_delay=1 ;;
	nvme) megabytes=3500 requests=76000 ;;
	esac
	if [ "$2" = kvm ]; then disk_delay=0; else disk_slowdown=$emulation_slowdown; fi
	disk_bytes=$((megabytes * 1000000 / disk_slowdown)) disk_requests=$((requests / disk_slowdown))
}
