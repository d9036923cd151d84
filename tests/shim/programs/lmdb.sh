# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# LMDB, whose whole database is one mapping (read-only for readers), larger than
# its file. Run by programs_test.sh in an empty folder.
set -eu
for variant in folder file; do
    option=
    [ "$variant" = folder ] && mkdir folder || option=-n
    {
        printf 'VERSION=3\nformat=print\ntype=btree\nmapsize=67108864\nHEADER=END\n'
        seq 100000 104000 | sed 's/.*/ key&\n value&&&&/'
        printf 'DATA=END\n'
    } >"$variant.in"
    # shellcheck disable=SC2086
    {
        mdb_load $option -f "$variant.in" "$variant"
        mdb_stat $option -e -f -r "$variant"
        mdb_dump $option -p "$variant" | tail -n 3
        mdb_dump $option "$variant" | sha256sum
    }
done
mkdir copy compact
mdb_copy folder copy && cmp folder/data.mdb copy/data.mdb && echo same
mdb_copy -c folder compact && mdb_dump compact | sha256sum
seq 50 | sed 's/.*/other&\nnew&/' | mdb_load -T -s named folder
mdb_dump -l folder
mdb_stat -a folder
for command in 'mdb_stat missing' 'mdb_dump -s missing folder' 'mdb_copy folder missing'; do
    status=0
    $command || status=$?
    echo "$command: $status"
done
