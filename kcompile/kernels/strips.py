"""A circuit as strips of devices, for single samples: a vector holds devices between neighbouring nodes, not samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kcompile.kernels.law_code import Flow
from kcompile.kernels.plan import PackedGroup, Plan
from kcompile.kernels.runs import sort_into_strips
from kcompile.kernels.source import VECTOR_BYTES
from kcompile.render import render

_FILLED = 0.15
"""Part of the lanes that devices fill, on average, from which on strips are faster than one sample alone in a tile."""


@dataclass(frozen=True)
class StripView:
    """What the template reads of a law; home: the end that a strip shares."""

    number: int
    name: str
    home: int
    flows: tuple[Flow, ...]
    params: tuple[int, ...]
    statements: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Strips:
    """Groups by their index in `System.groups`, sorted into strips, and the text of their kernel."""

    groups: Mapping[int, PackedGroup]
    source: str


def find_strips(plan: Plan) -> Strips | None:
    """Strips of a plan, None where a law has not two ends, a parameter is a waveform, or devices rarely lie side by side."""
    lanes = VECTOR_BYTES // plan.real.itemsize
    if not plan.groups or any(one.waves or plan.laws[one.law].ends != 2 for one in plan.groups.values()):
        return None
    views: list[StripView] = []
    numbers: dict[tuple[int, int], int] = {}
    groups: dict[int, PackedGroup] = {}
    for k, one in plan.groups.items():
        home, runs = min(((home, sort_into_strips(plan.ends(one.group), home, lanes)) for home in (0, 1)),
                         key=lambda found: found[1].count)
        code = plan.laws[one.law]
        number = numbers.setdefault((one.law, home), len(views))
        if number == len(views):
            read = {s.name for flow in code.flows for s in flow.value.free_symbols}
            params = tuple(p for p, param in enumerate(code.model.params) if param.name in read)
            views.append(StripView(number, code.model.name, home, code.flows, params, code.strip()))
        groups[k] = PackedGroup(one.group, number, runs, {})
    devices = sum(one.group.count for one in groups.values())
    if devices < _FILLED * sum(one.runs.count for one in groups.values()):
        return None
    real = "double" if plan.real.itemsize == 8 else "float"
    title = ", ".join(dict.fromkeys(view.name for view in views))
    return Strips(groups, render("cpp/strips.cpp.j2", {"title": title, "real": real, "lanes": lanes, "width": 1, "laws": views}))
