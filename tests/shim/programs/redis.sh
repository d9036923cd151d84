# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# redis-server on a unix socket: values, a snapshot by a forked child, an append-only
# file rewritten by one, shutdown, restart from each. It brings jemalloc and several
# threads. Of its log times, process ids and sizes are left out. Run by
# programs_test.sh in an empty folder.
set -eu
bin=$PROGRAMS/usr/bin
if [ ! -x "$bin/redis-server" ]; then
    echo "no Redis in $PROGRAMS. HINT: scripts/setup" >&2
    exit 127
fi
pid=
trap '[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true' EXIT
trap 'exit 1' TERM INT HUP
cli() { "$bin/redis-cli" -s "$PWD/socket" "$@"; }
start() {
    "$bin/redis-server" --port 0 --unixsocket "$PWD/socket" --dir "$PWD" --save '' --logfile '' "$@" >>log &
    pid=$!
    i=0
    until [ "$(cli ping 2>/dev/null)" = PONG ]; do
        i=$((i + 1))
        if [ $i -gt 200 ] || ! kill -0 "$pid"; then
            cat log
            exit 1
        fi
        sleep 0.05
    done
    [ -z "${LD_PRELOAD-}" ] || grep -q "$LD_PRELOAD" "/proc/$pid/maps" || echo 'the shim is not in it'
}
stop() {
    cli shutdown "$@"
    status=0
    wait "$pid" || status=$?
    pid=
    echo "stopped $status"
}
# wait_for WHAT: until a child in the background is done
wait_for() {
    i=0
    while cli info persistence | grep -q "^$1_in_progress:1"; do
        i=$((i + 1))
        [ $i -lt 200 ] || { echo "$1 does not end"; exit 1; }
        sleep 0.05
    done
    cli info persistence | tr -d '\r' | grep -E "^(rdb|aof)_last_(bgsave|bgrewrite)_status"
}
start
cli set greeting hello
seq 20000 | sed 's/.*/set key:& value:&:&/' | cli | sort | uniq -c
cli get key:777
cli bgsave
wait_for rdb_bgsave
cli eval 'local n = 0; for i = 1, 2000 do n = n + #redis.call("get", "key:" .. i) end; return n' 0
stop nosave
"$bin/redis-check-rdb" dump.rdb | grep -cE 'RDB looks OK|keys read'
start
cli dbsize
cli get greeting
cli config set appendonly yes
wait_for aof_rewrite
cli incrby counter 42
cli bgrewriteaof
wait_for aof_rewrite
cli set late value
stop
rm -f dump.rdb
start --appendonly yes
cli mget greeting counter late key:20000
cli dbsize
cli nonsense
stop
sed -E 's/^[0-9]+:([A-Z]) .{24} /\1 /; s/[0-9.]+ ?(MB|seconds|secs|bytes)/N \1/g; s/(pid|PID|process|by pid)[ =]+[0-9]+/pid N/g; /diff|delta|RDB age|^$/d' log |
    grep -E '^[A-Z] [#*-]' | sed -E 's/[0-9]+/N/g; s,/[^ ]*/,,g' | sort -u
