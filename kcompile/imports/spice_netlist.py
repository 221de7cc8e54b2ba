"""A netlist as the subcircuits it declares and what stands outside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kcompile.diagnostics import MAX_REPORTED, CompileError, Reporter, accepted, nearest
from kcompile.imports.spice_elements import Element, assignments, node, read_element
from kcompile.imports.spice_expr import read_value
from kcompile.imports.spice_text import Card, Word, read_cards
from kcompile.imports.spice_value import read_number
from kcompile.syntax import nodes

LEFT_OUT = ("options", "option", "save", "print", "plot", "probe", "meas", "measure", "width", "op", "dc", "ac")
"""Cards that change neither the circuit nor its transient."""


@dataclass(frozen=True, eq=False)
class Subcircuit:
    """Ports, parameters with their defaults, parameters of its own, elements, and initial voltages with their places.

    What stands outside all subcircuits is one without ports.
    """

    name: str
    card: Card | None = None
    ports: tuple[str, ...] = ()
    params: Mapping[str, nodes.Expr] = field(default_factory=dict)
    own: dict[str, nodes.Expr] = field(default_factory=dict)
    elements: dict[str, Element] = field(default_factory=dict)
    initials: list[tuple[str, nodes.Expr, Word]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Netlist:
    """`until`: seconds of `.tran`; `left_out`: cards that a program does not say."""

    title: str
    outside: Subcircuit
    subcircuits: Mapping[str, Subcircuit]
    until: float | None
    left_out: tuple[Card, ...]


def read_netlist(path: Path) -> Netlist:
    """Netlist of a file and of what it includes; raises `CompileError` with every mistake, `UsageError` KC0501."""
    return _NetlistReader(path).read()


class _NetlistReader:
    def __init__(self, path: Path) -> None:
        self._title, self._cards = read_cards(path)
        self._report = Reporter()
        self._outside = Subcircuit(path.stem)
        self._subcircuits: dict[str, Subcircuit] = {}
        self._open: Subcircuit | None = None
        self._until: float | None = None
        self._left_out: list[Card] = []

    def read(self) -> Netlist:
        report = self._report
        try:
            for card in self._cards:
                try:
                    self._card(card)
                except CompileError as error:
                    report.add(error.diagnostics[0])
                    if len(report.diagnostics) == MAX_REPORTED:
                        break
            if self._open is not None and self._open.card is not None:
                raise self._open.card.refuse("KC0533", f"the subcircuit `{self._open.name[:40]}` has no `.ends`")
        except CompileError as error:
            report.add(error.diagnostics[0])
        report.raise_errors()
        return Netlist(self._title, self._outside, self._subcircuits, self._until, tuple(self._left_out))

    def _card(self, card: Card) -> None:
        if card.text[0] != ".":
            element = read_element(card)
            before = self._scope.elements.setdefault(element.name, element)
            if before is not element:
                raise card.refuse("KC0533", f"two elements are called `{element.name[:40]}`, the first at {before.card.span()}")
            return
        words = card.words()
        name = words[0].text[1:]
        if name in LEFT_OUT:
            self._left_out.append(card)
        elif name in _CARDS:
            _CARDS[name](self, card, words)
        else:
            known = [*_CARDS, *LEFT_OUT, "include", "end"]
            raise words[0].refuse("KC0530", f"cards `.{name[:40]}` are not read", nearest(name, known) or accepted(
                (f".{one}" for one in known), 20))

    @property
    def _scope(self) -> Subcircuit:
        return self._open or self._outside

    def _subckt(self, card: Card, words: Sequence[Word]) -> None:
        head, params = assignments(words)
        if len(head) < 2:
            raise card.refuse("KC0531", "the card has another form than `.subckt name port .. [params: name=value ..]`")
        if self._open is not None:
            raise card.refuse("KC0533", f"`.subckt` stands inside the subcircuit `{self._open.name[:40]}`",
                              "is its `.ends` missing? Subcircuits are declared side by side")
        name, ports = head[1].text, tuple(map(node, head[2:]))
        self._open = Subcircuit(name, card, ports, params)
        for k, word in enumerate(head[2:]):
            if ports[k] == "0" or ports[k] in ports[:k]:
                raise word.refuse("KC0533", f"the port `{word.text[:40]}` is ground, or stands twice")
        if name in self._subcircuits:
            before = self._subcircuits[name].card
            raise head[1].refuse("KC0533", f"two subcircuits are called `{name[:40]}`"
                                 + (f", the first at {before.span()}" if before else ""))
        self._subcircuits[name] = self._open

    def _ends(self, card: Card, words: Sequence[Word]) -> None:
        if self._open is None:
            raise card.refuse("KC0533", "this `.ends` ends nothing", "the first line of a netlist is its title, whatever it says")
        if len(words) > 1 and words[1].text != self._open.name:
            raise words[1].refuse("KC0533", f"the subcircuit `{self._open.name[:40]}` is open here")
        self._open = None

    def _param(self, card: Card, words: Sequence[Word]) -> None:
        head, values = assignments(words[1:])
        if head or not values:
            raise card.refuse("KC0531", "the card has another form than `.param name=value ..`")
        for name, value in values.items():
            if name in self._scope.own or name in self._scope.params:
                raise card.refuse("KC0533", f"two parameters are called `{name[:40]}`")
            self._scope.own[name] = value

    def _ic(self, card: Card, words: Sequence[Word]) -> None:
        rest = words[1:]
        if not rest or len(rest) % 6:
            raise card.refuse("KC0531", "the card has another form than `.ic v(node)=value ..`")
        for k in range(0, len(rest), 6):
            v, opening, name, closing, equals, value = rest[k : k + 6]
            if (v.text, opening.text, closing.text, equals.text) != ("v", "(", ")", "="):
                raise v.refuse("KC0531", "the card has another form than `.ic v(node)=value ..`")
            if "." in name.text:
                raise name.refuse("KC0539", "a program sets the initial voltage of a node in the circuit that declares it",
                                  "move the card into the subcircuit")
            self._scope.initials.append((node(name), read_value(value), name))

    def _tran(self, card: Card, words: Sequence[Word]) -> None:
        numbers = [word for word in words[1:] if word.text != "uic"]
        if not 2 <= len(numbers) <= 4:
            raise card.refuse("KC0531", "the card has another form than `.tran step stop [start [max]] uic`")
        self._until = [read_number(word) for word in numbers][1]
        if words[-1].text != "uic":
            raise card.refuse("KC0539", "without `uic` a SPICE starts from an operating point, which a program does not know",
                              "add `uic`, and `.ic` for the nodes that do not start at 0 V")


_CARDS: dict[str, Callable[[_NetlistReader, Card, Sequence[Word]], None]] = {
    "subckt": _NetlistReader._subckt, "ends": _NetlistReader._ends, "param": _NetlistReader._param, "ic": _NetlistReader._ic,
    "tran": _NetlistReader._tran}
