"""Constants that took the place of others take over their names, too: C and messages name layers, not versions."""

from __future__ import annotations

import re
from dataclasses import replace

from ..ir import Graph


def inherited(before: Graph, after: Graph) -> Graph:
    """`weight_2`, made from the `weight` of `before`, is called `weight` where `after` has no such thing any more."""
    taken, names = set(after.shapes()), {}
    for name in after.constants:
        found = re.fullmatch(r"(.+)_\d+", name)
        if name not in before.constants and found and found[1] in before.constants and found[1] not in taken:
            names[name] = found[1]
            taken.add(found[1])
    ops = tuple(replace(op, inputs=tuple(names.get(i, i) for i in op.inputs)) for op in after.ops)
    return replace(after, ops=ops, constants={names.get(name, name): a for name, a in after.constants.items()})
