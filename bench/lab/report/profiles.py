# SPDX-License-Identifier: Apache-2.0
"""Where the processors' time went, arm beside arm."""
import re
from html import escape

from lab import results
from lab.report import names

GROUPS = {"idle": "nothing to do: all wait, for the disk or each other", "programs": "the programs",
          "kernel": "the kernel", "PagePatrol": "PagePatrol's kernel side (all BPF programs)"}
# the same in few words
SHORT = {"idle": "waiting", "programs": "the programs", "kernel": "the kernel",
         "PagePatrol": "PagePatrol"}
# a line of its own is for what takes this share in one of the arms
LEAST = 0.02


def shares(profile):
    """{(group, name): share}"""
    return {(each["group"], each["name"]): each["share"] for each in profile["where"]}


def known(found):
    """{arm: its profile}, but for those that there is none of."""
    return {each["arm"]: each for each in found.get("profiles", []) if "refused" not in each}


def anchor(found):
    """Where on the page the profile of a comparison is."""
    return "profile-" + re.sub("[^a-z0-9]+", "-", "-".join(results.key(found)).lower())


def of_group(profile, group):
    return sum(share for (where, _), share in shares(profile).items() if where == group)


def seconds(profile, group):
    """Of the run that was looked at, so much on each processor."""
    return of_group(profile, group) * profile["seconds"]


def largest(found, name, base):
    """(what takes most of the time in the arm `name`, its seconds there, its seconds in `base`), or None."""
    there = known(found)
    if any(each not in there or "seconds" not in there[each] for each in (name, base)):
        return None
    group = max(GROUPS, key=lambda group: of_group(there[name], group))
    return SHORT[group], seconds(there[name], group), seconds(there[base], group)


def rows(profiles):
    """(CSS class, title, [share by profile]): each group, then what is large in it."""
    parts = [shares(profile) for profile in profiles]
    for group, title in GROUPS.items():
        sums = [of_group(profile, group) for profile in profiles]
        if any(sums):
            yield "group", title, sums
        large = {name for each in parts for (where, name), share in each.items()
                 if where == group and share >= LEAST and name not in (group, "the rest")}
        lines = [(name, [each.get((group, name), 0.0) for each in parts]) for name in large]
        yield from (("", name, values) for name, values in
                    sorted(lines, key=lambda line: (-max(line[1]), line[0])))


def html(found):
    profiles = list(known(found).values())
    reasons = sorted({each["refused"] for each in found.get("profiles", []) if "refused" in each})
    refused = "".join(f'<p class="soft">No profile: {escape(reason)}</p>' for reason in reasons)
    if not profiles:
        return refused
    heads = "".join(f"<th>{escape(names.arm(results.arm_of(found, each['arm'])))}</th>" for each in profiles)
    body = "".join(
        f'<tr class="{css}"><td>{escape(title)}</td>'
        + "".join(f"<td>{names.percent(value)}</td>" for value in values) + "</tr>"
        for css, title, values in rows(profiles))
    samples = ", ".join(names.number(each["samples"]) for each in profiles)
    return (f'<h3 id="{anchor(found)}">Where the time goes</h3>'
            f"<p>What the processors were in, looked at {samples} times "
            "(<code>perf</code>, in runs of their own, which are in no other table). Functions below "
            f"{names.percent(LEAST, 0)} are in the sums alone; a part with interrupts off is seen once, at its "
            f"end.</p>{refused}"
            f'<div class="scroll"><table class="profile"><thead><tr><th></th>{heads}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>")
