# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# git, which maps its packs, indexes and working files: a history, repacking with
# small windows, checking, searching, cloning. Dates and names are fixed, so the
# hashes are. Run by programs_test.sh in an empty folder.
set -eu
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_AUTHOR_DATE='2001-02-03T04:05:06Z'
export GIT_COMMITTER_NAME=c GIT_COMMITTER_EMAIL=c@example.org GIT_COMMITTER_DATE='2001-02-03T04:05:07Z'
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_PAGER=cat
git -c init.defaultBranch=main init -q repo
cd repo
git config gc.auto 0
git config core.fsync none # waiting for the disk shows nothing
git config core.packedGitWindowSize 32k
git config core.packedGitLimit 128k
git config pack.threads 1
for i in 1 2 3 4 5 6 7 8; do
    mkdir -p "d$i"
    seq "$i" 40000 >"d$i/numbers"
    seq 400 | split -l 20 - "d$i/small."
    seq "$((i * 100))" 2000 >log
    git add -A
    git commit -q -m "commit $i"
done
git log --stat --format='%H %an %s' | sha256sum
git checkout -q -b side HEAD~3
echo side >side && git add side && git commit -q -m side
git checkout -q main
git merge -q --no-edit side
git repack -q -a -d -f --depth=20
git gc -q --prune=now
git fsck --full --strict --no-progress
git count-objects -v | sed '/^size/d'
git multi-pack-index write --no-progress
git commit-graph write --reachable --no-progress && git commit-graph verify --no-progress
git log --graph --oneline
git grep -c 1999 HEAD | head -n 5
git grep -n -e '^777$' -- 'd*/numbers'
git blame -s log | tail -n 2
git diff --stat HEAD~4
git cat-file --batch-all-objects --batch-check --unordered | sort | sha256sum
git archive HEAD | sha256sum
git verify-pack .git/objects/pack/*.idx && echo verified
cd ..
git clone -q --no-local repo clone
git -C clone rev-parse HEAD
git -C clone rev-list --objects --all | wc -l
echo dirt >>clone/log
git -C clone status --porcelain
git -C clone stash -q && git -C clone stash pop -q && git -C clone diff --numstat
git -C clone bundle create -q ../bundle --all && git -C clone bundle verify -q ../bundle && echo bundle
status=0
git -C clone show nothing || status=$?
echo "status $status"
# a pack that lost its end
pack=$(echo clone/.git/objects/pack/*.pack)
chmod u+w "$pack" && truncate -s -3000 "$pack"
git -C clone fsck >/dev/null 2>&1 || echo "damage noticed: $?"
