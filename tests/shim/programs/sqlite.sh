# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# sqlite3 with the database mapped (PRAGMA mmap_size), growing and shrinking under
# the mapping, in both journal modes, with two processes at once. Run by
# programs_test.sh in an empty folder.
set -eu
sqlite3 db <<'SQL'
PRAGMA synchronous = OFF;
PRAGMA mmap_size = 268435456;
CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER, v TEXT);
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000)
INSERT INTO t SELECT n, n * 7919 % 30011, printf('%0100d', n) FROM c;
CREATE INDEX k ON t(k);
SELECT count(*), sum(k), max(v) FROM t WHERE k % 3 = 1;
DELETE FROM t WHERE id % 2 = 0;
VACUUM;
PRAGMA integrity_check;
SELECT id FROM t ORDER BY k DESC LIMIT 3;
PRAGMA journal_mode = WAL;
UPDATE t SET v = v || 'x' WHERE id < 1000;
PRAGMA wal_checkpoint(TRUNCATE);
SQL
sqlite3 -cmd 'PRAGMA mmap_size = 268435456' -cmd '.timeout 20000' db \
    "BEGIN IMMEDIATE; INSERT INTO t SELECT id + 100000, k, v FROM t; COMMIT;" &
sqlite3 -cmd 'PRAGMA mmap_size = 268435456' -cmd '.timeout 20000' db \
    "BEGIN IMMEDIATE; INSERT INTO t SELECT id + 1000000, k, v FROM t WHERE id < 1000; COMMIT;" >/dev/null
wait $!
sqlite3 -cmd 'PRAGMA mmap_size = 268435456' db 'SELECT count(*) FROM t WHERE id < 200000; PRAGMA quick_check;'
sqlite3 db 'DELETE FROM t WHERE id > 1000000'
sqlite3 db .dump | sha256sum
sqlite3 db '.backup copy' && sqlite3 copy 'PRAGMA mmap_size = 1000000; SELECT sum(length(v)) FROM t;'
status=0
sqlite3 db 'SELECT * FROM missing' || status=$?
echo "status $status"
