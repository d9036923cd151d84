# SPDX-License-Identifier: Apache-2.0
"""Medians, spreads and ratios of repetitions. A ratio is that of medians of one run of
bench/run; its range that of the repetitions' own ratios."""
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Summary:
    median: float
    low: float
    high: float
    count: int

    def over(self, divisor):
        return Summary(self.median / divisor, self.low / divisor, self.high / divisor, self.count)

    def inverted(self):
        """Of a ratio: how many times as good, where less is better."""
        return Summary(1 / self.median, 1 / self.high, 1 / self.low, self.count)


def summary(values):
    """None if there is nothing to sum up, or not of all."""
    values = list(values)
    if not values or any(value is None for value in values):
        return None
    return Summary(median(values), min(values), max(values), len(values))


def ratio(ours, base):
    """Of two lists in the order of the repetitions. None where it means nothing."""
    over, under = summary(ours), summary(base)
    if not over or not under or not under.median:
        return None
    pairs = [a / b for a, b in zip(ours, base) if b]
    return Summary(over.median / under.median, min(pairs), max(pairs), min(over.count, under.count))
