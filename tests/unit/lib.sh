# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# What the bash tests of scripts share: a folder of their own, and how a failure is told.
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
