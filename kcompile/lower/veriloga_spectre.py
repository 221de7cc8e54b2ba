"""Modules in the netlist language of Spectre. No Spectre has run these files: they are checked as text only."""

from __future__ import annotations

from kcompile.lower.columns import number
from kcompile.lower.frame import Frame, Source
from kcompile.lower.veriloga_law import LawModule

_TYPES = {"dc": "dc", "pulse": "pulse", "sin": "sine", "exp": "exp", "pwl": "pwl"}
_ARGUMENTS = {
    "dc": ("dc",),
    "pulse": ("val0", "val1", "delay", "rise", "fall", "width", "period"),
    "sin": ("sinedc", "ampl", "freq", "delay", "damp", "sinephase"),
    "exp": ("val0", "val1", "td1", "tau1", "td2", "tau2"),
}


class SpectreLanguage:
    """`ahdl_include` of the modules, starts by `ic` statements and `skipdc`."""

    name = "spectre"
    netlist = ".scs"
    bench = "_tb.scs"
    port = "%s"
    inner = "xtop.%s"
    reference = "%s"

    def instance(self, name: str, module: LawModule) -> str:
        params = [f" {param.name}=%s" for param in module.params]
        return f"n{name} ({' '.join(['%s'] * len(module.ports))}) {module.name}{''.join(params)}"

    def source(self, source: Source) -> str:
        values = [number(value) for value in source.finite]
        if source.kind == "pwl":
            arguments = f"wave=[{' '.join(values)}]"
        else:
            arguments = " ".join(f"{name}={text}" for name, text in zip(_ARGUMENTS[source.kind], values, strict=True))
        return f"v{source.label} ({source.node} 0) vsource type={_TYPES[source.kind]} {arguments}"

    def settings(self, frame: Frame) -> dict[str, str]:
        return {}


LANGUAGE = SpectreLanguage()
