"""The C++ source of the laws of a circuit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kcompile.kernels.law_code import LawCode
from kcompile.render import render

VECTOR_BYTES = 64
"""Bytes of a vector: one cache line, and one register of AVX-512."""


@dataclass(frozen=True)
class Chained:
    """A parameter and the terms of its derivative: (sum, factor) each."""

    param: int
    terms: tuple[tuple[int, str], ...]


class LawView:
    """What the templates read of a law."""

    def __init__(self, number: int, code: LawCode) -> None:
        self.number = number
        self.name = code.model.name
        self.ends = code.ends
        self.single, self.home = code.single, code.home
        self.flows = code.flows
        self.forward, self.adjoint = code.forward(), code.adjoint()
        self.slopes = [(flow, end) for flow, end, _ in code.kept_slopes]
        self.sums = len(code.sums[0])
        read = {s.name for flow in code.flows for s in flow.value.free_symbols}
        self.params = [k for k, p in enumerate(code.model.params) if p.name in read]
        self.fixed_params = [k for k in self.params if code.model.params[k].waveform is None]
        self.chain_statements, chains = code.chains
        self.chains = [Chained(one.param, tuple((i, f) for i, f in enumerate(one.factors) if f is not None)) for one in chains]
        self._opposite = code.opposite

    def turned(self, end: int) -> str:
        """Sum that the adjoint adds to the voltage of an end, empty where there is none."""
        if self._opposite:
            # w0 is the slope to end 0; that to end 1 is its negative.
            return f"{'' if end == 0 else '-'}d0[l] * w0[l]"
        return " + ".join(f"d{flow}[l] * w{i}[l]" for i, (flow, at) in enumerate(self.slopes) if at == end)


def kernel_source(laws: Sequence[LawCode], double: bool, width: int) -> str:
    """C++ text of the kernels of some laws; width: vectors of a tile."""
    return render("cpp/kernel.cpp.j2", kernel_values(laws, double, width))


def kernel_values(laws: Sequence[LawCode], double: bool, width: int) -> dict[str, object]:
    """What the template of a kernel reads."""
    views = [LawView(k, law) for k, law in enumerate(laws)]
    return {"title": ", ".join(view.name for view in views) or "no laws", "real": "double" if double else "float",
            "lanes": VECTOR_BYTES // (8 if double else 4), "width": width, "laws": views,
            "max_sums": max((v.sums for v in views), default=0),
            "max_params": max((len(law.model.params) for law in laws), default=0)}
