# SPDX-License-Identifier: Apache-2.0
"""What was found as tables in a document (docs/benchmarks.md): the primary metric of each comparison,
and the targets. A comparison that was made again replaces its rows, others stay as they are."""
import doc_table
from svg import number

from lab import plan, results, targets
from lab.report import names, verdicts

KEY = ["workload", "disk", "kernel"]
COMPARED = [*KEY, "measure", "default", "next best", "PagePatrol", "times the default", "times the next best", "no limit",
            "server alone", "commit"]
JUDGED = [*KEY, "LRU", "what", "target", "measured", "no limit", "verdict", "commit"]


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def span(summary, decimals):
    return plain(names.spread(summary, decimals, "{} ({} to {})"))


def value(one, name):
    """What an arm reached, or None."""
    metric = one["primary"]
    found = results.summary(one, name, metric["key"])
    return found and plain(number(found.median, metric["decimals"]))


def with_arm(one, name):
    """The same, with which arm it is."""
    if name is None:
        return None
    found = results.arm_of(one, name)
    method = "" if found["method"] == "default" else f"{names.METHODS[found['method']]}, "
    return f"{value(one, name)} ({method}{names.LRU[found['lru']]})"


def on_both(texts):
    """What is said of classic LRU, and of MGLRU."""
    return " / ".join(text or "-" for text in texts)


def compared(one, key):
    metric, no_alternative = one["primary"], ("default", "pagepatrol", *results.BOUNDS)
    base = results.better_default(one, metric)
    best = results.best(one, metric, lambda arm: arm["method"] not in no_alternative)
    ours = [f"pagepatrol/{lru}" for lru in targets.LRUS]

    def times(other):
        ratios = [results.ratio(one, name, other, metric["key"]) if other else None for name in ours]
        return on_both(ratio and span(ratio, 2) for ratio in ratios)
    return key | {
        "measure": f"{metric['title']}, {metric['unit']}",
        "default": with_arm(one, base),
        "next best": with_arm(one, best),
        "PagePatrol": on_both(value(one, name) for name in ours),
        "times the default": times(base),
        "times the next best": times(best),
        "no limit": value(one, targets.UNLIMITED),
        "server alone": value(one, targets.ALONE),
        "commit": one["commit"],
    }


def judged(one, verdict, key):
    return key | {
        "LRU": names.LRU[verdict["lru"]], "what": verdict["what"], "target": verdicts.bound(verdict),
        "measured": span(verdicts.measured(verdict), 3), "no limit": verdicts.possible(verdict),
        "verdict": verdicts.outcome(verdict), "commit": one["commit"]}


def key_of(one, quick):
    workload, disk, kernel = results.key(one)
    return {"workload": f"{workload}, quick" if quick else workload, "disk": disk, "kernel": kernel}


def identity(row):
    return tuple(row[column] for column in KEY)


def ordered(rows):
    """As in the plan; the full run first. What the plan has no longer goes."""
    order = list(plan.WORKLOADS)

    def place(row):
        workload, _, quick = row["workload"].partition(", ")
        return order.index(workload), quick, row["disk"], row["kernel"]
    return sorted((row for row in rows if row["workload"].partition(", ")[0] in order), key=place)


def withheld(one):
    """Why a comparison is in no document, or None."""
    if one["failure"]:
        return "it failed"
    count = min((len(arm["runs"]) for arm in one["arms"] if arm["runs"]), default=0)
    if count < plan.REPETITIONS:
        return f"an arm has {count} repetition(s), and {plan.REPETITIONS} are needed"
    return None


def filled(text, found):
    """The document with what was found, but for what is withheld."""
    news, verdicts_of = [], []
    for one, said in verdicts.by_comparison(found):
        if withheld(one):
            continue
        key = key_of(one, found["quick"])
        news.append(compared(one, key))
        verdicts_of += [judged(one, verdict, key) for verdict in said
                        if targets.has(one["workload"]) or not verdict["met"]]
    known = {identity(row) for row in news}
    for name, columns, rows in (("compared", COMPARED, news), ("targets", JUDGED, verdicts_of)):
        old = [row for row in doc_table.read(text, name, columns) if identity(row) not in known]
        text = doc_table.replace(text, name, columns, ordered(old + rows))
    return text
