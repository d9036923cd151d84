#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# ppctl check and --help, as a user without privilege meets them. PPCTL is the program.
set -u
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
failed=0
cd "$scratch" || exit 1

# NAME STATUS TEXT COMMAND...: runs it; TEXT must be among what it says
check() {
    name=$1 status=$2 text=$3
    shift 3
    said=$("$@" 2>&1)
    got=$?
    if [ "$got" != "$status" ]; then
        echo "FAILED: $name: status $got, not $status: $said"
        failed=1
    fi
    case $said in
    *"$text"*) ;;
    *)
        echo "FAILED: $name: no '$text' in: $said"
        failed=1
        ;;
    esac
}

cat >good.toml <<'TOML'
schema = 1
[app]
program = "/opt/app"
[[rule]]
name = "head"
path = "/data/**"
range = { length = "25%" }
action = "pin"
[[rule]]
path = "/data/**"
mapping = "shared"
filesystem = "xfs"
prot = "!write"
action = "stream"
TOML
cat >bad.toml <<'TOML'
schema = 1
[[rule]]
path = "/a["
action = "pim"
TOML
printf 'schema = 1\n[[rule]]\npath = "**"\naction = "pin"\n[[rule]]\npath = "/a"\naction = "none"\n' >warn.toml

printf 'schema = 1\nx = %s1%s\n' "$(printf '[%.0s' $(seq 17))" "$(printf ']%.0s' $(seq 17))" >deep.toml
check 'nested as deep as the shim takes it' 1 'deep.toml:2:21: arrays or tables nested too deeply' "$PPCTL" check deep.toml
check 'right' 0 'good.toml: 2 rules, ok' "$PPCTL" check good.toml
check 'first error' 1 "bad.toml:3:11: rule[1].path: bad glob" "$PPCTL" check bad.toml
check 'second error' 1 'bad.toml:4:10: rule[1].action: unknown action "pim"' "$PPCTL" check bad.toml
check 'one of two' 1 'good.toml: 2 rules, ok' "$PPCTL" check bad.toml good.toml
check 'none there' 1 "no.toml: can't be opened" "$PPCTL" check no.toml
check 'warning' 0 'warn.toml:5:1: rule[2]: is never asked' "$PPCTL" check warn.toml
check 'warning is no error' 0 'warn.toml: 2 rules, ok' "$PPCTL" check warn.toml

check 'part' 0 'bytes 0 to 268435456: rule 1 (head), pin' "$PPCTL" check good.toml --explain /data/x:1GiB
check 'rest' 0 'bytes 268435456 to the end: rule 2, stream' "$PPCTL" check good.toml --explain /data/x:1GiB
check 'protection' 0 'rule 2 no: prot: the mapping has write' "$PPCTL" check good.toml --explain /data/x:9 --prot rw
check 'private' 0 'rule 2 no: mapping: it is private' "$PPCTL" check good.toml --explain /data/x:9 --private
check 'filesystem' 0 'rule 2 no: filesystem: the file is on ext4' "$PPCTL" check good.toml --explain /data/x:9 --filesystem ext4
check 'no rule' 0 "no rule: the kernel's default" "$PPCTL" check good.toml --explain /x:9
check 'real file' 0 "$(realpath good.toml): $(wc -c <good.toml) bytes, shared, read" "$PPCTL" check good.toml --explain good.toml
check 'size of an absent file' 1 'give its size' "$PPCTL" check good.toml --explain /data/x
check 'no file' 1 'not a regular file' "$PPCTL" check good.toml --explain .

check 'no policy file' 2 'Usage: ppctl check' "$PPCTL" check
check 'unknown option' 2 'unknown option --explian' "$PPCTL" check good.toml --explian x
check 'unknown filesystem' 2 'HINT: one of ext4' "$PPCTL" check good.toml --explain /x:1 --filesystem ext5
check 'letters' 2 'letters of r, w, x' "$PPCTL" check good.toml --explain /x:1 --prot rq
check 'mapping without --explain' 2 'go with --explain' "$PPCTL" check good.toml --private

XDG_CONFIG_HOME=$scratch/config HOME=$scratch/home
export XDG_CONFIG_HOME HOME
unset PAGEPATROL_POLICY
program=$(realpath "$(command -v ls)")
tool=${program##*/}
check 'nothing found' 0 "$program: no policy" "$PPCTL" check --for ls
mkdir -p config/pagepatrol home/.config/pagepatrol
cp good.toml "home/.config/pagepatrol/$tool.toml"
check 'where it was not' 0 "$scratch/config/pagepatrol/$tool.toml: not there" "$PPCTL" check --for ls
check 'where it was' 0 "$scratch/home/.config/pagepatrol/$tool.toml: 2 rules, ok" "$PPCTL" check --for ls
check 'for another program' 0 "its [app] is not for $program" "$PPCTL" check --for ls
cp bad.toml "config/pagepatrol/$tool.toml"
check 'a wrong one is not passed over' 1 'unknown action' "$PPCTL" check --for ls
PAGEPATROL_POLICY='' check 'set and empty' 0 'PAGEPATROL_POLICY is empty' "$PPCTL" check --for ls
check 'no such program' 1 'no program /no/such' "$PPCTL" check --for /no/such

for command in load unload status check attach detach; do
    check "$command --help" 0 "Usage: ppctl $command" "$PPCTL" "$command" --help
done
check 'version' 0 'ppctl (PagePatrol) ' "$PPCTL" --version
: >limits.toml
check 'limit' 2 "--keep-percent: '101' is not an integer from 0 to 100" "$PPCTL" load --limits limits.toml --keep-percent 101
exit $failed
