# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# coreutils: reading, sorting (threads, files on the way), copying, hashing, and
# failures. Run by programs_test.sh in an empty folder.
set -eu
seq 60000 | awk '{print ($1 * 7919) % 60013, "line", $1}' >data
sort data | sha256sum
sort -n -r --parallel=2 -S 1M -T . data | tail -n 3
sort -u -k2,2 data | cat -A
cat data data | wc
cp data copy && cmp data copy && sha256sum <copy
cp --sparse=always --preserve=all data sparse && cmp data sparse
truncate -s 5M holes && cp holes holes2 && md5sum holes2
tail -n 5 data
tail -c +500000 data | cksum
head -n -59998 data
tac data | head -n 2
split -n l/7 data part. && cat part.* | cmp - data && ls part.*
cut -d' ' -f1 data | shuf --random-source=data | head -n 3
join <<'HERE' - data | head -n 2
0 zero
1 one
HERE
(
    tail -f -n 1 --pid=$$ data >followed &
    pid=$!
    until [ -s followed ]; do sleep 0.05; done
    echo 'one more' >>data
    until grep -q 'one more' followed; do sleep 0.05; done
    kill "$pid"
    wait "$pid" 2>/dev/null
) || echo "tail ended $?"
cat followed && rm followed
dd if=data of=block bs=4096 count=3 skip=2 status=none && b2sum block
od -A d -t x1z -N 32 data
base64 block | base64 -d | cmp - block
factor 1234567890
touch -d '2001-02-03 04:05:06' data && date -r data +%s && stat -c '%n %s %Y' data
mv copy moved && ln moved second && rm moved && stat -c '%h %s' second
for command in 'sort -c data' 'cat missing' 'cp missing there' 'sort missing' 'sha256sum .' 'timeout 0.1 sleep 5' 'tail -n x data'; do
    status=0
    $command || status=$?
    echo "$command: $status"
done
