# SPDX-License-Identifier: Apache-2.0
"""Where the processors' time went, arm beside arm."""
from html import escape

from lab import results
from lab.report import names

GROUPS = {"idle": "nothing to do: all wait, for the disk or each other", "programs": "the programs",
          "kernel": "the kernel", "PagePatrol": "PagePatrol's kernel side (all BPF programs)"}
# a line of its own is for what takes this share in one of the arms
LEAST = 0.02


def shares(profile):
    """{(group, name): share}"""
    return {(each["group"], each["name"]): each["share"] for each in profile["where"]}


def rows(profiles):
    """(CSS class, title, [share by profile]): each group, then what is large in it."""
    known = [shares(profile) for profile in profiles]
    for group, title in GROUPS.items():
        sums = [sum(share for (where, _), share in each.items() if where == group) for each in known]
        if any(sums):
            yield "group", title, sums
        large = {name for each in known for (where, name), share in each.items()
                 if where == group and share >= LEAST and name not in (group, "the rest")}
        lines = [(name, [each.get((group, name), 0.0) for each in known]) for name in large]
        yield from (("", name, values) for name, values in
                    sorted(lines, key=lambda line: (-max(line[1]), line[0])))


def html(found):
    profiles = [each for each in found.get("profiles", []) if "refused" not in each]
    reasons = sorted({each["refused"] for each in found.get("profiles", []) if "refused" in each})
    refused = "".join(f'<p class="soft">No profile: {escape(reason)}</p>' for reason in reasons)
    if not profiles:
        return refused
    heads = "".join(f"<th>{escape(names.arm(results.arm_of(found, each['arm'])))}</th>" for each in profiles)
    body = "".join(
        f'<tr class="{css}"><td>{escape(title)}</td>'
        + "".join(f"<td>{names.percent(value)}</td>" for value in values) + "</tr>"
        for css, title, values in rows(profiles))
    samples = " and ".join(names.number(each["samples"]) for each in profiles)
    return (f"<h3>Where the time goes</h3><p>What the processors were in, looked at {samples} times "
            "(<code>perf</code>, in runs of their own, which are in no other table). Functions below "
            f"{names.percent(LEAST, 0)} are in the sums alone; a part with interrupts off is seen once, at its "
            f"end.</p>{refused}"
            f'<div class="scroll"><table class="profile"><thead><tr><th></th>{heads}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>")
