# SPDX-License-Identifier: Apache-2.0
"""results.json: what bench/run found, raw, with where and how. Keys are only ever added; what can
be computed from others (medians, ratios, verdicts) is not in it but for the targets."""
import json
from datetime import datetime

from lab import stats
from lab.system import PAGE, Failure

FORMAT = 1
# begins the reason of an arm that could run, and broke
FAILED = "failed: "
# the failure of a comparison that is going on: what stays if it is ended from outside
UNFINISHED = "it was ended before it was done"
# no alternatives, but what an ideal would give
BOUNDS = ("unlimited", "alone")
# what is one number of a run by another
DERIVED = {"cpu_per_read": ("cpu_seconds", "disk_reads")}


def begin(commit, when, quick):
    return {"format": FORMAT, "commit": commit, "when": when, "quick": quick, "comparisons": []}


def comparison(workload, machine):
    """One workload on one machine (disk), all arms: measured in one go. set_up() and add() fill it."""
    def told(metric):
        return {"key": metric.key, "title": metric.title, "unit": metric.unit,
                "higher_is_better": metric.higher_is_better, "decimals": metric.decimals}
    return {
        "workload": workload.name, "title": workload.title, "text": workload.text,
        "machine": machine, "limit_bytes": None, "data_bytes": None, "policies": workload.policies(),
        "primary": told(workload.primary), "metrics": [told(m) for m in workload.metrics],
        "optimum": None, "arms": [], "pictures": [], "profiles": [], "failure": None}


def set_up(found, workload, options, optimum):
    """Takes in what is known once the data is there."""
    found |= {"limit_bytes": workload.limit(options), "data_bytes": workload.data_bytes(options),
              "optimum": optimum}


def add(found, said, about):
    """Takes one dict that measure() yielded into a comparison. `about`: {arm: text}, in the arms'
    order."""
    said, name = dict(said), said["arm"]
    kind = said.pop("kind")
    if kind in ("picture", "profile"):
        found[kind + "s"].append(said)
        found[kind + "s"].sort(key=lambda each: list(about).index(each["arm"]))
        return
    arm = arm_of(found, name)
    if arm is None:
        method, lru = name.split("/")
        arm = {"arm": name, "method": method, "lru": lru, "about": about[name], "refused": None,
               "runs": []}
        found["arms"].append(arm)
        found["arms"].sort(key=lambda each: list(about).index(each["arm"]))
    if kind == "refused":
        # of one that broke, what it had run before counts for nothing
        arm |= {"refused": said["reason"], "runs": []}
    else:
        del said["arm"]
        if found["optimum"]:
            said["hit_ratio"] = 1 - said["disk_bytes"] / PAGE / found["optimum"]["accesses"]
        arm["runs"].append(said)


def keep(found, earlier, order):
    """What an earlier run found becomes part of this one, with where it comes from. `order`: the
    workloads that there are."""
    unknown = {one["workload"] for one in earlier["comparisons"]} - set(order)
    if unknown:
        raise ValueError(f"what is there has workloads that there are no longer: "
                         f"{', '.join(sorted(unknown))}; without --add it is begun anew")
    if earlier["quick"] != found["quick"]:
        raise ValueError("what is there is of a run with --quick and this is not, or the other way "
                         "round: they can't be one report")
    for one in earlier["comparisons"]:
        found["comparisons"].append({"commit": earlier["commit"], "when": earlier["when"]} | one)


def ran(one):
    """The names of the arms that have figures."""
    return {arm["arm"] for arm in one["arms"] if arm["runs"]}


def has_more(earlier, one):
    """A good comparison has more than a failed one, or than one without an arm's runs; a failed one
    with runs, than one that failed without."""
    if earlier["failure"]:
        return bool(ran(earlier) and one["failure"] and not ran(one))
    return bool(one["failure"] or ran(earlier) - ran(one))


def refuse_less(one, arms, repetitions, earlier):
    """What there is on the same must not be replaced by less. `earlier`: comparisons."""
    for each in earlier:
        if key(each) != key(one) or each["failure"]:
            continue
        lost = sorted(ran(each) - set(arms))
        had = max((len(arm["runs"]) for arm in each["arms"]), default=0)
        if lost or had > repetitions:
            what = f"the arms {', '.join(lost)}" if lost else f"{had} repetitions"
            raise Failure(f"{one['workload']}: results.json has {what} of it, which this run, with --add, would "
                             "take away: it stays as it is\n  HINT: the same --arms and --repetitions, or no --add")


def key(one):
    """What there is one comparison of: workload, disk and kernel."""
    return one["workload"], one["machine"]["disk"]["model"], one["machine"]["kernel"]


def put(found, one, order):
    """Adds a comparison, in the place of one on the same workload, disk and kernel, unless that has
    more. Whether it was added. `order`: workloads."""
    if any(key(each) == key(one) and has_more(each, one) for each in found["comparisons"]):
        return False
    found["comparisons"] = sorted(
        [each for each in found["comparisons"] if key(each) != key(one)]
        + [{"commit": found["commit"], "when": found["when"]} | one],
        key=lambda each: (order.index(each["workload"]), *key(each)))
    return True


def kernel_bytes(found):
    """Of the limit, what the kernel took for itself with PagePatrol; None if it was not measured."""
    counts = [run.get("kernel_bytes") for arm in found["arms"] if arm["method"] == "pagepatrol"
              for run in arm["runs"]]
    summed = stats.summary(counts)
    return summed and summed.median


def arm_of(found, name):
    return next((arm for arm in found["arms"] if arm["arm"] == name), None)


def get(run, key):
    """A number of a run, wherever it is or from what it is computed; None if it has none."""
    if key in DERIVED:
        over, under = (get(run, each) for each in DERIVED[key])
        return over / under if over is not None and under else None
    for place in (run, run.get("metrics", {}), run.get("memory_stat", {})):
        if key in place:
            return place[key]
    return None


def values(found, name, key):
    arm = arm_of(found, name)
    return [get(run, key) for run in arm["runs"]] if arm else []


def summary(found, name, key):
    return stats.summary(values(found, name, key))


def ratio(found, name, base, key):
    """How many times the value of `base` is that of `name`."""
    return stats.ratio(values(found, name, key), values(found, base, key))


def best(found, metric, wanted):
    """The name of the best arm by this metric of those that are wanted and have it, or None."""
    known = [(value.median, arm["arm"]) for arm in found["arms"] if wanted(arm)
             and (value := summary(found, arm["arm"], metric["key"]))]
    return (max if metric["higher_is_better"] else min)(known)[1] if known else None


def better_default(found, metric):
    """The name of the default arm that is better by this metric, or None."""
    return best(found, metric, lambda arm: arm["method"] == "default")


def optimum_share(found, lru, best):
    """PagePatrol's hit ratio as a share of that of an optimum, as a Summary; None if not known."""
    ours = summary(found, f"pagepatrol/{lru}", "hit_ratio")
    return ours.over(best["hit_ratio"]) if ours and best and best["hit_ratio"] else None


def set_aside(path):
    """What an earlier run found stays, by another name: when that was."""
    if path.exists():
        when = datetime.fromtimestamp(path.stat().st_mtime).strftime("%Y%m%d-%H%M%S")
        path.rename(path.with_name(f"{path.stem}-{when}{path.suffix}"))


def save(found, path):
    """Whole, or as it was before."""
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(found, indent=1) + "\n")
    new.replace(path)


def load(path):
    results = json.loads(path.read_text())
    if results.get("format") != FORMAT:
        raise ValueError(f"{path}: format {results.get('format')}, this reads {FORMAT}")
    return results
