# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# PostgreSQL on a unix socket in this folder: initdb, start, queries (over parallel
# workers with mapped shared memory), a backend that ends badly, restart, stop. It
# refuses to be root, so root becomes `nobody`. Run by programs_test.sh in an empty
# folder.
set -eu
root=$PROGRAMS/usr
[ ! -d ../pg ] || root=$(realpath ../pg)
if [ ! -x "$root/lib/postgresql/15/bin/initdb" ]; then
    echo "no PostgreSQL in $PROGRAMS. HINT: scripts/setup" >&2
    exit 127
fi
if [ "$(id -u)" = 0 ]; then
    if [ ! -d ../pg ]; then # nobody can't look into root's cache
        mkdir -p ../pg/lib/postgresql ../pg/share/postgresql
        cp -r "$root/lib/postgresql/15" ../pg/lib/postgresql
        cp -r "$root/share/postgresql/15" ../pg/share/postgresql
    fi
    chown nobody .
    exec setpriv --reuid nobody --regid nogroup --clear-groups sh "$0"
fi
bin=$root/lib/postgresql/15/bin
export HOME="$PWD" PGHOST="$PWD" PGDATA="$PWD/db" PGDATABASE=postgres PGUSER=me PGTZ=UTC
trap '[ ! -f db/postmaster.pid ] || "$bin/pg_ctl" stop -s -m immediate -t 10 || true' EXIT
trap 'exit 1' TERM INT HUP
sql() { "$bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
control() {
    status=0
    "$bin/pg_ctl" "$@" -s -w -t 20 || status=$?
    echo "$1 $status"
}
"$bin/initdb" -U me -A trust --locale=C --encoding=UTF8 --no-sync --wal-segsize=1 >initdb.log
sed "s|$PWD|here|g" initdb.log
cat >>db/postgresql.conf <<CONF
listen_addresses = ''
unix_socket_directories = '$PWD'
fsync = off
shared_buffers = 8MB
dynamic_shared_memory_type = mmap
min_parallel_table_scan_size = 0
parallel_setup_cost = 0
parallel_tuple_cost = 0
jit = off
timezone = UTC
log_line_prefix = ''
CONF
control start -l log
[ -z "${LD_PRELOAD-}" ] || grep -q "$LD_PRELOAD" "/proc/$(head -n 1 db/postmaster.pid)/maps" || echo 'the shim is not in it'
sql <<'SQL'
CREATE TABLE t AS SELECT n, n * 7919 % 30011 AS k, repeat(n::text, 10) AS v FROM generate_series(1, 50000) n;
CREATE INDEX ON t(k);
ANALYZE t;
SELECT count(*), sum(k), max(v) FROM t WHERE k % 3 = 1;
SET enable_nestloop = off;
SELECT count(*) FROM t a JOIN t b ON a.n = b.k;
DELETE FROM t WHERE n % 2 = 0;
CHECKPOINT;
SQL
sql -c 'VACUUM FULL t'
sql -c 'COPY (SELECT * FROM t ORDER BY n) TO STDOUT' | sha256sum
status=0
sql -c 'SELECT 1/0' || status=$?
echo "status $status"
control restart -m fast -l log
sql -c 'SELECT count(*), sum(n) FROM t'
# one backend killed: the others end, recovery runs, it is back
status=0
sql -c "SELECT pg_backend_pid()" >/dev/null
sql -c "COPY (SELECT 1) TO PROGRAM 'kill -KILL \$PPID'" 2>/dev/null || status=$?
echo "killed: $status"
i=0
until sql -c 'SELECT count(*) FROM t' 2>/dev/null; do
    i=$((i + 1))
    [ $i -lt 100 ] || { echo 'does not recover'; exit 1; }
    sleep 0.1
done
control stop -m smart
control status
# left out: numbers, and what depends on how far a backend whose client left has come
grep -v '^pagepatrol' log | grep -E '^(LOG|ERROR|FATAL|PANIC|WARNING)' |
    sed -E "s|$PWD|here|g; s/[0-9]+(\\.[0-9]+)?/N/g; /checkpoint (starting|complete)|redo |invalid record|the database system is|interrupted|due to administrator command|send data to client/d" | sort | uniq -c | sed 's/^ *[0-9]* //' | sort -u
grep '^pagepatrol' log >&2 || true
