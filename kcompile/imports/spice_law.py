"""Laws of a netlist as devices: one device for all elements whose laws differ in nodes and numbers only."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from kcompile.diagnostics import Span
from kcompile.imports.identifiers import Identifiers
from kcompile.imports.pieces import brackets, current, in_volts, plain, real_param, with_unit
from kcompile.imports.spice_function import is_voltage, number, replaced, voltage
from kcompile.imports.spice_text import Card
from kcompile.imports.spice_voltages import names_of
from kcompile.syntax import nodes
from kcompile.syntax.format_device import format_device, format_expr

MAX_TERMINALS = 64
"""Nodes of one law, as many as terminals of a device."""

MAX_BRACKETS = 60
"""Open brackets in the text of a law; a program may open 64."""


@dataclass(frozen=True, eq=False, slots=True)
class Use:
    """An element with a law: nodes at its terminals, values of its numbers, names of its parameters."""

    nodes: tuple[str, ...]
    numbers: tuple[float, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Shape:
    """A law with marks for its nodes, numbers and parameters, and the elements that have it.

    `ends`: whether the current comes from a terminal, and whether it goes to one; else it is ground.
    """

    label: str
    span: Span
    ends: tuple[bool, bool]
    tree: nodes.Expr
    uses: list[Use] = field(default_factory=list)


class Laws:
    """Collects laws, then makes a device of each shape."""

    def __init__(self) -> None:
        self._shapes: dict[str, Shape] = {}
        self._made: dict[int, _Made] = {}

    def add(self, label: str, card: Card, ends: tuple[str, str], law: nodes.Expr, inner: Container[str]) -> tuple[Shape, Use]:
        """Shape and use of a current from one node to another; names in `inner` may stand for another value in each use.

        The law is in names of the program, and in voltages of nodes that have a place. Raises `CompileError` KC0535.
        """
        reading = _Reading(ends, inner)
        tree = replaced(law, reading.leaf)
        if len(reading.nodes) > MAX_TERMINALS:
            raise card.refuse("KC0535", f"the law reads {len(reading.nodes)} nodes, at most {MAX_TERMINALS} are taken")
        text = format_expr(tree)
        check_brackets(text, card)
        key = f"{ends[0] == '0'} {ends[1] == '0'} {len(reading.nodes)} {text}"
        shape = self._shapes.setdefault(key, Shape(label, card.span(), (ends[0] != "0", ends[1] != "0"), tree))
        use = Use(tuple(reading.nodes), tuple(reading.numbers), tuple(reading.names))
        shape.uses.append(use)
        return shape, use

    def devices(self, module: Identifiers) -> Iterator[str]:
        """Texts of the devices, in order of first use."""
        for shape in self._shapes.values():
            self._made[id(shape)] = made = _Made(shape, module)
            yield made.text

    def instance(self, shape: Shape, use: Use) -> tuple[str, str]:
        """Name of the device and assignments of one element, once `devices` are made."""
        made = self._made[id(shape)]
        return made.name, made.assignments(use)


def check_brackets(text: str, card: Card) -> None:
    """Raise `CompileError` KC0535 where a law is nested deeper than a program may be."""
    if brackets(text) > MAX_BRACKETS:
        raise card.refuse("KC0535", f"the law opens more than {MAX_BRACKETS} brackets at once in the program")


class _Reading:
    """Takes nodes, numbers and parameters out of a law, and leaves marks."""

    def __init__(self, ends: tuple[str, str], inner: Container[str]) -> None:
        self.nodes = {node: k for k, node in enumerate(dict.fromkeys(end for end in ends if end != "0"))}
        self.numbers: list[float] = []
        self.names: dict[str, int] = {}
        self._inner = inner

    def leaf(self, part: nodes.Expr) -> nodes.Expr | None:
        match part:
            case nodes.Number():
                return self._number(float(part.value), part.span)
            case nodes.Unary(operator="-", operand=nodes.Number() as operand):
                return self._number(-float(operand.value), part.span)
            case nodes.Name() if part.id in self._inner:
                return nodes.Name(part.span, f"${self.names.setdefault(part.id, len(self.names))}")
            case nodes.Call(function=nodes.Name(id="V")):
                return voltage(part.span, *map(self._node, names_of(part)))
            case nodes.Call(function=nodes.Name(id="pow")):  # its exponent stays a numeral
                base, exponent = part.arguments
                return nodes.Call(part.span, part.function, (replaced(base, self.leaf), exponent))
        return None

    def _number(self, value: float, span: Span) -> nodes.Name:
        self.numbers.append(value)
        return nodes.Name(span, f"#{len(self.numbers) - 1}")

    def _node(self, node: str) -> str:
        return "0" if node == "0" else f"@{self.nodes.setdefault(node, len(self.nodes))}"


class _Made:
    """The device of a shape. Numbers that are the same in all uses stand in the law, the others are parameters."""

    def __init__(self, shape: Shape, module: Identifiers) -> None:
        self.name = module.claim(shape.label)
        names, first, span = Identifiers(module), shape.uses[0], shape.span
        ends = [names.claim(end) if there else "gnd" for end, there in zip("pn", shape.ends, strict=True)]
        terminals = [end for end in ends if end != "gnd"]
        terminals += [names.claim(f"c{k + 1}") for k in range(len(first.nodes) - len(terminals))]
        self._names = [names.claim(name) for name in first.names]
        varying = [k for k, value in enumerate(first.numbers) if any(use.numbers[k] != value for use in shape.uses)]
        self._varying = {k: names.claim(f"k{j + 1}") for j, k in enumerate(varying)}

        def leaf(part: nodes.Expr) -> nodes.Expr | None:
            if is_voltage(part):
                return in_volts(part.span, *("gnd" if one == "0" else terminals[int(one[1:])] for one in names_of(part)))
            if not isinstance(part, nodes.Name) or part.id[0] not in "#$":
                return None
            k = int(part.id[1:])
            if part.id[0] == "$":
                return nodes.Name(part.span, self._names[k])
            return nodes.Name(part.span, self._varying[k]) if k in self._varying else number(first.numbers[k], part.span)

        law = with_unit(replaced(shape.tree, leaf), "A")
        params = (real_param(span, name) for name in (*self._names, *self._varying.values()))
        self.text = format_device(nodes.Device(span, nodes.Name(span, self.name), tuple(nodes.Name(span, t) for t in terminals),
                                               (*params, current(span, ends[0], ends[1], law))))

    def assignments(self, use: Use) -> str:
        given = [*zip(self._names, use.names, strict=True)]
        given += [(name, plain(use.numbers[k])) for k, name in self._varying.items()]
        return f" {{ {', '.join(f'{name} = {value}' for name, value in given)} }}" if given else ""
