# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# ripgrep with --mmap: one large file, many small ones over two threads, empty and
# binary files, the three exit statuses. Run by programs_test.sh in an empty folder.
set -eu
seq 400000 >large
mkdir tree
seq 20000 | split -a 3 -l 50 - tree/part.
: >tree/empty
printf 'text 123\n\000\001binary 123\n' >tree/binary
rg --mmap -c 123 large
rg --mmap -n '^1234' large | sha256sum
rg --mmap -U -A1 '99\n10' large | head -n 4
rg --mmap -j2 --sort none -c 123 tree | sort | sha256sum
rg --mmap -j1 --sort path -l 19 tree | tail -n 3
rg --mmap --stats -q 777 large tree | sed '/seconds/d'
rg --mmap -o -r '<$1>' '(12)34' large | sort | uniq -c
rg --mmap -a 123 tree/binary
[ "$(rg --mmap 55 large | sha256sum)" = "$(rg --no-mmap 55 large | sha256sum)" ] && echo same
for command in 'rg --mmap nothing-like-this large' 'rg --mmap 1 missing' 'rg --mmap ( large' 'rg --mmap x tree/empty'; do
    status=0
    $command || status=$?
    echo "$command: $status"
done
