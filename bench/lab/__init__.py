# SPDX-License-Identifier: Apache-2.0
"""The parts of bench/run: one file per concern, see bench/README.md. scripts/demo uses some of
them (system, cgroup)."""
