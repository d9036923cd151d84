# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# python3: python.py beside this file, without an installation's own start-up
# files. Run by programs_test.sh in an empty folder.
set -eu
workload=$(dirname "$0")/python.py
/usr/bin/python3 -I -B "$workload"
status=0
/usr/bin/python3 -I -c 'import mmap; mmap.mmap(999, 10)' 2>/dev/null || status=$?
echo "status $status"
