"""Instances of compiled modules (OSDI) in ngspice: N cards, with sources as in every SPICE."""

from __future__ import annotations

from kcompile.lower.frame import Frame, Source
from kcompile.lower.spice import source_card
from kcompile.lower.veriloga_law import LawModule


class NgspiceLanguage:
    """Starting voltages come from an operating point that holds every free node: ngspice starts no charge of an OSDI
    instance with `uic`."""

    name = "ngspice"
    netlist = ".spice"
    bench = "_tb.cir"
    port = "v(%s)"
    inner = "v(xtop.%s)"
    reference = "{%s}"

    def instance(self, name: str, module: LawModule) -> str:
        params = [f" {param.name}=%s" for param in module.params]
        return f"N{name}{' %s' * len(module.ports)} {module.name}{''.join(params)}"

    def source(self, source: Source) -> str:
        return source_card(source)

    def settings(self, frame: Frame) -> dict[str, str]:
        return {}


LANGUAGE = NgspiceLanguage()
