"""Elements of a netlist, one frozen class per kind of card, and the cards read into them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kcompile.diagnostics import CompileError, accepted
from kcompile.imports.spice_expr import read_expression, read_value
from kcompile.imports.spice_function import GROUND, chain, evaluate, number, voltage
from kcompile.imports.spice_text import Card, Word
from kcompile.syntax import nodes


@dataclass(frozen=True, eq=False, slots=True)
class Passive:
    """R, L or C between two nodes; `initial` is the voltage of a C or the current of an L that starts with one."""

    card: Card
    letter: str
    name: str
    ends: tuple[str, str]
    value: nodes.Expr
    initial: nodes.Expr | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Conductance:
    """A G that is controlled by the voltage across itself."""

    card: Card
    name: str
    ends: tuple[str, str]
    value: nodes.Expr


@dataclass(frozen=True, eq=False, slots=True)
class Law:
    """B, E or another G: a current from plus through the source to minus, or the voltage between them."""

    card: Card
    name: str
    ends: tuple[str, str]
    is_voltage: bool
    value: nodes.Expr


@dataclass(frozen=True, eq=False, slots=True)
class Source:
    """V or I: a waveform and its arguments."""

    card: Card
    letter: str
    name: str
    ends: tuple[str, str]
    kind: str
    arguments: tuple[nodes.Expr, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Instance:
    """X: a subcircuit in use, with the values of some of its parameters."""

    card: Card
    name: str
    ends: tuple[str, ...]
    model: Word
    values: dict[str, nodes.Expr]


Element = Passive | Conductance | Law | Source | Instance


def node(word: Word) -> str:
    """Name of a node; ground is `0`."""
    if word.text[0] in "(),={'\"" or "." in word.text:
        raise word.refuse("KC0531", f"`{word.text[:40]}` is not the name of a node")
    return GROUND.get(word.text, word.text)


def read_element(card: Card) -> Element:
    """Element of a card; raises `CompileError` KC0530, KC0531, KC0532, KC0538."""
    read = _READ.get(card.text[0])
    if read is None:
        raise card.refuse("KC0530", f"elements `{card.text[0].upper()}` are not read", accepted(map(str.upper, _READ)))
    return read(card, card.words(_MOST.get(card.text[0])))


def assignments(words: Sequence[Word]) -> tuple[list[Word], dict[str, nodes.Expr]]:
    """Words before the first `name = value`, without `params:`, and the values by name."""
    equals = [k for k, word in enumerate(words) if word.text == "="]
    head = list(words[: max(equals[0] - 1, 0)]) if equals else list(words)
    found: dict[str, nodes.Expr] = {}
    for at, following in itertools.pairwise([*equals, len(words) + 1]):
        name, value = words[max(at - 1, 0)], words[at + 1 : following - 1]
        if at == 0 or not value or not name.text.isidentifier():
            raise name.refuse("KC0531", "a parameter is written `name = value`")
        if name.text in found:
            raise name.refuse("KC0533", f"`{name.text[:40]}` is given twice")
        plain = len(value) == 1 and value[0].text[0].isdigit()
        found[name.text] = read_value(value[0]) if plain else read_expression(
            name.card, words[at].stop, value[-1].stop, in_law=False)
    if head and head[-1].text == "params:":
        head.pop()
    return head, found


def _form(card: Card, form: str) -> CompileError:
    return card.refuse("KC0531", f"the card has another form than `{form}`")


def _passive(card: Card, words: Sequence[Word]) -> Passive:
    letter = words[0].text[0]
    form = f"{letter.upper()}name n+ n- value" + ("" if letter == "r" else " [ic=value]")
    head, named = assignments(words)
    if len(head) == 3 and letter in named:  # R1 a b r=1k
        value = named.pop(letter)
    elif len(head) == 4:
        value = read_value(head[3])
    else:
        raise _form(card, form)
    initial = named.pop("ic", None) if letter != "r" else None
    if named:
        raise card.refuse("KC0530", f"`{next(iter(named))[:40]}` of an element {letter.upper()} is not read", f"read: {form}")
    known = evaluate(value, {})
    if known is not None and ((known < 0 and letter != "r") or (known == 0 and letter != "c")):
        raise words[0].refuse("KC0531", f"an element {letter.upper()} of {known:g} has no law",
                              "join its two nodes" * (known == 0))
    return Passive(card, letter, words[0].text, (node(head[1]), node(head[2])), value, initial)


def _controlled(card: Card, words: Sequence[Word]) -> Conductance | Law:
    letter, name = words[0].text[0], words[0].text
    word = {"e": ("vol", "value"), "g": ("cur", "value")}[letter]
    if len(words) > 5 and words[3].text in word and words[4].text == "=":
        value = read_expression(card, words[4].stop, len(card.text), in_law=True)
        return Law(card, name, (node(words[1]), node(words[2])), letter == "e", value)
    if len(words) != 6 or words[3].text in ("poly", "table", "laplace"):
        raise _form(card, f"{letter.upper()}name n+ n- nc+ nc- value` or `{letter.upper()}name n+ n- {word[0]}=expression")
    ends, control = (node(words[1]), node(words[2])), (node(words[3]), node(words[4]))
    value = read_value(words[5])
    if letter == "g" and control == ends:
        return Conductance(card, name, ends, value)
    if letter == "g" and control == ends[::-1]:
        return Conductance(card, name, ends, nodes.Unary(value.span, "-", value))
    return Law(card, name, ends, letter == "e", chain("*", value, voltage(card.span(), *control)))


def _behavioural(card: Card, words: Sequence[Word]) -> Law:
    if len(words) < 6 or words[3].text not in ("i", "v") or words[4].text != "=":
        raise _form(card, "Bname n+ n- i=expression` or `Bname n+ n- v=expression")
    value = read_expression(card, words[4].stop, len(card.text), in_law=True)
    return Law(card, words[0].text, (node(words[1]), node(words[2])), words[3].text == "v", value)


_FUNCTIONS = ("pulse", "sin", "exp", "pwl")


def _source(card: Card, words: Sequence[Word]) -> Source:
    if len(words) < 3:
        raise _form(card, f"{card.text[0].upper()}name n+ n- [dc] value | PULSE(..) | SIN(..) | EXP(..) | PWL(..)")
    kind, arguments = "dc", (number(0, card.span()),)
    at = 3
    while at < len(words):
        word = words[at]
        if word.text == "dc" and at + 1 < len(words):
            at += 1
        elif word.text == "ac":  # what a small-signal analysis sees
            at += 1
            while at < len(words) and words[at].text[0] in "0123456789.+-":
                at += 1
            continue
        elif word.text in _FUNCTIONS:
            kind, arguments = word.text, tuple(map(read_value, _inside(words[at + 1 :])))
            break
        elif word.text[0].isalpha():
            raise word.refuse("KC0538", f"the waveform `{word.text[:40]}` is not read", accepted(map(str.upper, _FUNCTIONS)))
        arguments = (read_value(words[at]),)
        at += 1
    return Source(card, words[0].text[0], words[0].text, (node(words[1]), node(words[2])), kind, arguments)


def _inside(words: Sequence[Word]) -> list[Word]:
    """Values of a waveform; its brackets and commas may be left out."""
    depth = 0
    for k, word in enumerate(words):
        depth += (word.text == "(") - (word.text == ")")
        if word.text == "=" or depth not in (0, 1) or (word.text == ")" and k + 1 < len(words)):
            raise word.refuse("KC0538", "a waveform is its values in brackets and nothing after them")
    if depth:
        raise words[-1].refuse("KC0538", "the values of the waveform have no end", "a bracket closes on the same card")
    return [word for word in words if word.text not in ("(", ")", ",")]


def _instance(card: Card, words: Sequence[Word]) -> Instance:
    head, values = assignments(words)
    if len(head) < 2:
        raise _form(card, "Xname node .. subcircuit [params: name=value ..]")
    return Instance(card, head[0].text, tuple(map(node, head[1:-1])), head[-1], values)


_READ: dict[str, Callable[[Card, Sequence[Word]], Element]] = {
    "r": _passive, "l": _passive, "c": _passive, "g": _controlled, "e": _controlled, "b": _behavioural, "v": _source,
    "i": _source, "x": _instance}
"""What reads a card, by its first letter."""

_MOST = dict.fromkeys("rlcgeb", 20)
"""Words of a card that are looked at."""
