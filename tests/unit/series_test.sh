#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# kernel/series.sh with a made-up kernel source and series: what it makes, and that it
# minds neither the repository that it is called from nor the user's own settings of git.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "$0")/lib.sh"

mkdir -p "$work"/{tree/mm,patches,own,home,hook}
echo old >"$work/tree/mm/a.c"
echo 0001-change.patch >"$work/patches/series"
echo @sources >>"$work/patches/series"
a_patch >"$work/patches/0001-change.patch"
echo 'mm: own files' >"$work/patches/sources.message"
printf 'mm: a series\n\nWhat for.\n' >"$work/patches/cover"
for file in shared.c header.h alone.c Kconfig; do echo "$file" >"$work/own/$file"; done
echo 'pagepatrol-y := shared.o' >"$work/own/Makefile"
printf 'include $(src)/Makefile\npagepatrol-y += alone.o\n' >"$work/own/Kbuild"

# make_mails DIR: as kernel/build-kernel --series does, in a process of its own
make_mails() {
	env HOME="$work/home" bash -euo pipefail -c '. "$1/scripts/lib.sh"; . "$1/kernel/series.sh"
		patches_dir=$2/patches sources_dir=$2/own source_tree=$2/tree source_version=1-1 KBUILD_BUILD_TIMESTAMP="2026-11-24 12:00 +0000"
		apply_series "$2/repo" && write_mails "$3"' bash "$repo" "$work" "$1" >"$work/said" 2>&1
}

make_mails "$work/mails" || fail "make_mails failed"
[ "$(ls "$work/mails" | tr '\n' ' ')" = "0000-cover-letter.patch 0001-mm-new.patch 0002-mm-own-files.patch " ] || fail "other mails: $(ls "$work/mails")"
grep -qx 'Subject: \[PATCH 0/2\] mm: a series' "$work/mails/0000-cover-letter.patch" || fail "the cover letter's subject"
[ "$(sed -n 's|^+++ b/mm/pagepatrol/||p' "$work"/mails/0002* | tr '\n' ' ')" = "Kconfig Makefile header.h shared.c " ] ||
	fail "what the module has alone must not be in: $(grep '^+++' "$work"/mails/0002*)"

make_mails "$work/mails" && fail "a folder that is not empty must be refused"
grep -q 'is not empty' "$work/said" || fail "... and the refusal says so"

# a patch whose subject was changed has another name, and the old one would still be applied
cp "$work/patches/0001-change.patch" "$work/patches/0001-new-name.patch"
make_mails "$work/unnamed" && fail "a patch that the series does not name must be refused"
grep -q '0001-new-name.patch is not in ' "$work/said" || fail "... and the refusal names it"
rm "$work/patches/0001-new-name.patch"

# a hook of a worktree names its repository to all that it calls: this test, too, maybe
unset $(git rev-parse --local-env-vars)
git init -q "$work/hook" && git -C "$work/hook" -c user.name=A -c user.email=a@example.org -c commit.gpgSign=false commit -q --allow-empty -m mine
before=$(git -C "$work/hook" for-each-ref; git -C "$work/hook" status --porcelain)
GIT_DIR=$work/hook/.git GIT_INDEX_FILE=$work/hook/.git/index make_mails "$work/from-hook" || fail "with GIT_DIR: failed"
[ "$before" = "$(git -C "$work/hook" for-each-ref; git -C "$work/hook" status --porcelain)" ] || fail "the repository it was called from was changed"
diff -r "$work/mails" "$work/from-hook" >"$work/said" || fail "with GIT_DIR: other mails"

printf '[tag]\n gpgSign = true\n[commit]\n gpgSign = true\n[format]\n subjectPrefix = RFC\n[diff]\n noprefix = true\n[core]\n autocrlf = true\n' >"$work/home/.gitconfig"
make_mails "$work/own-settings" || fail "with settings of one's own: failed"
diff -r "$work/mails" "$work/own-settings" >"$work/said" || fail "with settings of one's own: other mails"
exit $((failures > 0))
