# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# What the bash tests of scripts share: a folder of their own, how a failure is told, a patch.
# Sourced by them; they end with `exit $((failures > 0))`.
set -u
repo=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# fail WHAT: shows what was said last too, which the test leaves in $work/said.
fail() {
	echo "$*"
	sed 's/^/  | /' "$work/said" 2>/dev/null
	failures=$((failures + 1))
}

# A patch as git format-patch makes it: "old" in mm/a.c becomes "new".
a_patch() {
	cat <<'MAIL'
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: A <a@example.org>
Date: Tue, 24 Nov 2026 12:00:00 +0000
Subject: [PATCH] mm: new

Signed-off-by: A <a@example.org>
---
 mm/a.c | 2 +-
 1 file changed, 1 insertion(+), 1 deletion(-)

--- a/mm/a.c
+++ b/mm/a.c
@@ -1 +1 @@
-old
+new
MAIL
}
