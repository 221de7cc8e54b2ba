"""Which subcircuits a netlist uses, innermost first, and what they say about nodes of others.

A circuit of the language neither drives its ports nor sets their initial voltages. Such cards move to where the subcircuit is
used, with the values of its parameters put in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from kcompile.diagnostics import CompileError, Diagnostic, Span, accepted, nearest
from kcompile.diagnostics import Source as Text
from kcompile.imports.spice_elements import Instance, Source
from kcompile.imports.spice_function import evaluate, number, replaced
from kcompile.imports.spice_netlist import Netlist, Subcircuit
from kcompile.imports.spice_params import written_out
from kcompile.imports.spice_text import Word
from kcompile.syntax import nodes

MAX_LEVELS = 32
"""Subcircuits inside subcircuits, as many as circuits of a program."""

MAX_ELEMENTS = 10_000_000
"""Elements of a netlist after its subcircuits are put in."""


def in_order(netlist: Netlist, values: Mapping[str, float]) -> list[Subcircuit]:
    """Subcircuits in use, each after those inside it, the top last; `values` of the parameters outside.

    Raises `CompileError` KC0530, KC0531, KC0534, KC0535.
    """
    return list(_Walk(netlist, values).all())


def find_top(netlist: Netlist) -> Subcircuit:
    """What stands outside the subcircuits, or the one subcircuit that no other uses."""
    if netlist.outside.elements:
        return netlist.outside
    used = {element.model.text for one in netlist.subcircuits.values() for element in instances(one)}
    tops = [one for name, one in netlist.subcircuits.items() if name not in used]
    if len(tops) != 1:
        found = f"{len(tops)} of them are used by nobody" if netlist.subcircuits else "there are none of these either"
        raise CompileError(Diagnostic("KC0530", f"nothing stands outside subcircuits, and {found}", _start(netlist),
                                      hint="instantiate one of them: `X1 node .. name`" if netlist.subcircuits else ""))
    return tops[0]


def _start(netlist: Netlist) -> Span | None:
    card = next((one.card for one in netlist.subcircuits.values()), None)
    return card.span() if card is not None else Span(Text(netlist.outside.name, netlist.title), 0, len(netlist.title))


def instances(circuit: Subcircuit) -> Iterator[Instance]:
    """Subcircuits used in one."""
    return (element for element in circuit.elements.values() if isinstance(element, Instance))


class _Walk:
    def __init__(self, netlist: Netlist, values: Mapping[str, float]) -> None:
        self._netlist = netlist
        self._values = values
        self._done: dict[str, Subcircuit] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        """Levels and elements of each."""

    def all(self) -> Iterator[Subcircuit]:
        top = find_top(self._netlist)
        yield from self._visit(top, top, ())

    def _visit(self, circuit: Subcircuit, top: Subcircuit, above: tuple[Subcircuit, ...]) -> Iterator[Subcircuit]:
        levels, count = 0, len(circuit.elements)
        for element in instances(circuit):
            inner = self._model(element)
            if inner in (*above, circuit):
                raise element.card.refuse("KC0535", f"`{inner.name[:40]}` contains itself through this line")
            if inner.name not in self._sizes:
                if len(above) >= MAX_LEVELS:
                    raise element.card.refuse("KC0535", f"subcircuits are nested more than {MAX_LEVELS} deep")
                yield from self._visit(inner, top, (*above, circuit))
            size = self._sizes[inner.name]
            levels, count = max(levels, size[0] + 1), count + size[1]
            if levels > MAX_LEVELS:
                raise element.card.refuse("KC0535", f"subcircuits are nested more than {MAX_LEVELS} deep")
            if count > MAX_ELEMENTS:
                raise element.card.refuse("KC0535", f"with subcircuits put in there are more than {MAX_ELEMENTS:,} elements")
        self._sizes[circuit.name] = levels, count
        whole = self._with_lifted(circuit)
        self._done[circuit.name] = whole
        if circuit is top:
            yield whole
        else:
            yield _without_ports(whole)

    def _model(self, element: Instance) -> Subcircuit:
        model = element.model
        inner = self._netlist.subcircuits.get(model.text)
        if inner is None:
            raise model.refuse("KC0534", f"there is no subcircuit `{model.text[:40]}`", nearest(
                model.text, self._netlist.subcircuits) or "models of transistors and diodes are not read")
        if len(inner.ports) != len(element.ends):
            raise model.refuse("KC0531", f"`{inner.name[:40]}` has {len(inner.ports)} ports, {len(element.ends)} nodes are given")
        for name in element.values:
            if name not in inner.params:
                hint = nearest(name, inner.params) or (accepted(inner.params) if inner.params else "it has none")
                raise element.card.refuse("KC0534", f"`{inner.name[:40]}` has no parameter `{name[:40]}`", hint)
        return inner

    def _with_lifted(self, circuit: Subcircuit) -> Subcircuit:
        """The circuit with what its subcircuits say about its nodes."""
        sources: dict[str, Source] = {}
        starts: dict[str, tuple[str, nodes.Expr, Word]] = {}
        for element in instances(circuit):
            inner = self._done[element.model.text]
            found = _port_sources(inner)
            initials = [(port, value, place) for port, value, place in inner.initials if port in inner.ports]
            if not found and not initials:
                continue
            own = written_out(inner.own)
            node = dict(zip(inner.ports, element.ends, strict=True)) | {"0": "0"}
            for source in found.values():
                plus, minus = node[source.ends[0]], node[source.ends[1]]
                driven = minus if plus == "0" else plus
                if driven in sources:
                    raise element.card.refuse("KC0537", f"the voltage of `{driven[:40]}` is given by two subcircuits")
                sources[driven] = replace(source, name=f"{element.name}.{source.name}", ends=(plus, minus), arguments=tuple(
                    self._actual(argument, inner, own, element) for argument in source.arguments))
            starts |= {node[port]: (node[port], self._actual(value, inner, own, element), place)
                       for port, value, place in initials if node[port] != "0"}
        elements = circuit.elements | {source.name: source for source in sources.values()}
        return replace(circuit, elements=elements, initials=[*starts.values(), *circuit.initials])

    def _actual(self, expr: nodes.Expr, inner: Subcircuit, own: Mapping[str, nodes.Expr], element: Instance) -> nodes.Expr:
        """An expression of a subcircuit in the parameters of the circuit that uses it."""
        def leaf(part: nodes.Expr) -> nodes.Expr | None:
            if not isinstance(part, nodes.Name):
                return None
            if part.id in element.values:
                return element.values[part.id]
            value = evaluate(inner.params.get(part.id, part), self._values)
            if value is None:
                raise element.card.refuse("KC0534", f"the parameter `{part.id[:40]}` of `{inner.name[:40]}` has no value here")
            return number(value, part.span)

        return replaced(replaced(expr, lambda part: own.get(part.id) if isinstance(part, nodes.Name) else None), leaf)


def _port_sources(circuit: Subcircuit) -> dict[str, Source]:
    """Sources between a port and ground."""
    outside = {"0", *circuit.ports}
    return {name: element for name, element in circuit.elements.items() if isinstance(element, Source)
            and element.letter == "v" and "0" in element.ends and set(element.ends) <= outside}


def _without_ports(circuit: Subcircuit) -> Subcircuit:
    """The circuit without what it says about its ports."""
    sources = _port_sources(circuit)
    return replace(circuit, elements={name: e for name, e in circuit.elements.items() if name not in sources},
                   initials=[entry for entry in circuit.initials if entry[0] not in circuit.ports])
