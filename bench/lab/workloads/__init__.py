# SPDX-License-Identifier: Apache-2.0
"""One file per kind of workload; lab.plan lists them."""
