"""`kcompile import netlist FILE.cir`: a SPICE netlist as a program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kcompile.diagnostics import CompileError, Reporter, printable
from kcompile.imports import spice_params
from kcompile.imports.base import Imported
from kcompile.imports.identifiers import Identifiers
from kcompile.imports.pieces import plain
from kcompile.imports.spice_circuit import CircuitText, Used
from kcompile.imports.spice_device import LawDevice, is_law
from kcompile.imports.spice_hierarchy import in_order
from kcompile.imports.spice_law import Laws
from kcompile.imports.spice_netlist import Netlist, read_netlist
from kcompile.imports.spice_scope import Scope
from kcompile.syntax.format_device import format_expr

_LIBRARY = {"passive": ("Resistor", "Conductance", "Capacitor", "Inductor"), "sources": ("CurrentSource",)}

_INDUCTOR_FROM = """device InductorFrom(p, n) {
    param l: inductance in (0, inf);
    param i0: current;
    state i: current = i0;
    ddt(i) = V(p, n) / l;
    I(p, n) <+ i;
}"""
"""An inductor that starts with a current."""


def import_netlist(path: Path) -> Imported:
    """Program of a netlist and of what it includes, with one circuit or device per subcircuit.

    Raises `CompileError` KC0530 to KC0539 with every mistake found, `UsageError` KC0501 for a file that cannot be read.
    """
    netlist = read_netlist(path)
    return _Program(netlist, path.name).imported()


class _Program:
    def __init__(self, netlist: Netlist, file: str) -> None:
        self._netlist, self._file = netlist, file
        self._report = Reporter()
        self._module = Identifiers()
        for name in (*_LIBRARY["passive"], *_LIBRARY["sources"], "InductorFrom"):
            self._module.claim(name)
        constants = netlist.outside.own
        values = spice_params.known(constants)
        self._scope = Scope({name: self._module.claim(name) for name in constants}, values)
        self._circuits = in_order(netlist, values)
        self._laws = Laws()
        self._used: dict[str, Used] = {}
        self._parts: list[CircuitText | str] = []

    def imported(self) -> Imported:
        *inner, top = self._circuits
        name = ""
        for circuit in (*inner, top):
            name = self._module.claim(circuit.name)
            try:
                if circuit is not top and is_law(circuit):
                    device = LawDevice(circuit, name, self._scope, self._module)
                    self._parts.append(device.text)
                    self._used[circuit.name] = Used(name, device.params, device.islands)
                else:
                    made = CircuitText(circuit, name, circuit is top, self._scope, self._module, self._used, self._laws,
                                       self._report)
                    self._parts.append(made)
                    self._used[circuit.name] = Used(name, made.params, made.islands)
            except CompileError as error:
                self._report.add(error.diagnostics[0])
                self._report.raise_errors()
        self._report.raise_errors()
        return Imported(name, "\n".join(self._lines()), notes=tuple(self._notes()))

    def _lines(self) -> Iterator[str]:
        yield from self._comments()
        yield ""
        used = set().union(*(part.library for part in self._parts if isinstance(part, CircuitText)))
        for module, devices in _LIBRARY.items():
            names = [name for name in devices if name in used]
            if names:
                yield f"use std.{module}: {', '.join(names)};"
        yield ""
        constants = self._netlist.outside.own
        for name in spice_params.in_order(constants):
            yield f"const {self._scope.outer[name]} = {format_expr(self._scope.finished(constants[name]))};"
        if constants:
            yield ""
        if "InductorFrom" in used:
            yield f"{_INDUCTOR_FROM}\n"
        yield from (f"{text}\n" for text in self._laws.devices(self._module))
        for part in self._parts:
            yield f"{part if isinstance(part, str) else part.text()}\n"

    def _notes(self) -> Iterator[str]:
        netlist = self._netlist
        if netlist.until is not None:
            yield f"the netlist simulates {plain(netlist.until)} s: --until {plain(netlist.until)}s"
        if netlist.left_out:
            words = dict.fromkeys(card.text.split()[0] for card in netlist.left_out)
            yield f"left out, and kept as comments: {', '.join(words)}"

    def _comments(self) -> Iterator[str]:
        title = self._netlist.title.lstrip("* ")
        yield f"// From the netlist {printable(self._file, 80)}{': ' * bool(title)}{printable(title, 100)}"
        if self._netlist.until is not None:
            yield f"// It simulates {plain(self._netlist.until)} s: --until {plain(self._netlist.until)}s"
        for card in self._netlist.left_out:
            yield f"// Left out: {printable(card.text, 100)}"
