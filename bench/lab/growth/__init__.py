# SPDX-License-Identifier: Apache-2.0
"""How what PagePatrol costs grows: with the ranges of a process, with the processes that have
any, with those that push at once. bench/growth runs it, growth.json is what comes out."""
