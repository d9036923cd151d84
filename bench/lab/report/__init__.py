# SPDX-License-Identifier: Apache-2.0
"""The page and the table that bench/run makes of results.json. It computes medians and ratios,
measures nothing, and says only what the numbers say."""
from lab.report.names import reason
from lab.report.page import page
from lab.report.table import text

__all__ = ("page", "reason", "text")
