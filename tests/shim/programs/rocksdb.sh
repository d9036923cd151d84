# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# RocksDB with its tables mapped for reading and writing; threads of its own for
# flush and compaction. Of the benchmark only counts are kept: the rest are times.
# Run by programs_test.sh in an empty folder.
set -eu
ldb --db=small --create_if_missing put a 1
seq 1000 1500 | sed 's/.*/key& value&/' | xargs ldb --db=small batchput
ldb --db=small get key1234
ldb --db=small delete a
ldb --db=small scan | sha256sum
ldb --db=small compact
ldb --db=small checkconsistency
ldb --db=small dump --count_only
ldb --db=small list_column_families
sst_dump --file=small --command=scan --output_hex 2>&1 | grep -c '=>' || true
db_bench --db=big --num=8000 --value_size=200 --seed=7 --threads=2 --mmap_read=1 --mmap_write=1 \
    --write_buffer_size=600000 --compression_type=none --statistics=0 \
    --benchmarks=fillseq,overwrite,compact,readrandom,readseq,seekrandom,verifychecksum 2>bench.err >bench.out
sed -n 's/^\([a-z]*\) *:.*ops\/sec.*/\1/p; s/.*(\([0-9]* of [0-9]* found\)).*/\1/p' bench.out | sort | uniq -c
# progress, a date, the machine; and what the shim says between
grep -ao 'pagepatrol: .*' bench.err >&2 || true
ldb --db=big dump --count_only | sed -n 's/^Keys in range/keys/p'
status=0
ldb --db=missing get x 2>/dev/null || status=$?
echo "status $status"
