# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2016
#
# bash: what forks and execs (pipes, subshells, substitutions, jobs, traps), and
# its own statuses for failures. Run by programs_test.sh in an empty folder.
set -eu
cat >script <<'SCRIPT'
declare -A seen=([a]=1 [b]=2)
mapfile -t lines < <(seq 1000 | sort -R --random-source=<(yes) | sort -n)
echo "${#lines[@]} ${lines[999]} ${seen[a]}${seen[b]}"
coproc UP { while read -r l; do echo "${l^^}"; done; }
echo hello >&"${UP[1]}"; read -r answer <&"${UP[0]}"; echo "$answer"
exec {UP[1]}>&-; wait "$UP_PID"
jobs=(); for i in 1 2 3 4 5 6 7 8; do (exit "$i") & jobs+=($!); done
sum=0; for job in "${jobs[@]}"; do wait "$job"; sum=$((sum + $?)); done; echo "jobs $sum"
trap 'echo term' TERM; kill -TERM $$; trap 'echo at exit' EXIT
set -o pipefail; seq 100000 | head -n 1; echo "pipe ${PIPESTATUS[*]}"
cat <<< "here string" | while read -r a b; do echo "$b $a"; done
diff <(seq 10) <(seq 2 11); echo "diff $?"
exec 7<>file; echo text >&7; exec 7>&-; [[ $(<file) =~ ^t.x ]] && echo "${BASH_REMATCH[0]}"
{ (kill -KILL $BASHPID); } 2>/dev/null; echo "killed $?"
no-such-command; echo "missing $?"
/etc/passwd; echo "not executable $?"
exec 2>&- ; echo lost >&2; echo "closed $?"
exit 42
SCRIPT
status=0
bash script || status=$?
echo "status $status"
i=0
while [ $i -lt 100 ]; do
    bash -c 'exit 3' || [ $? = 3 ]
    i=$((i + 1))
done
echo "started $i times"
