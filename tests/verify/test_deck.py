"""The audit refuses every card that the compiler does not write, wherever it is planted, and passes every deck it writes."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from planted_cards import COMMANDS, PLANTS

import kcompile as kc
from kcompile.diagnostics import SimulatorFailed
from kcompile.verify.deck import Deck, audit, deck_of

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.kc"))
PLANTED = 1000


def variants(line: str, rng: random.Random) -> str:
    """The line as somebody might hide it: case, blanks, a continuation, a neighbour."""
    match rng.randrange(6):
        case 0:
            return line.upper() if line.isascii() and not line.startswith("*") else line
        case 1:
            return line.replace(" ", "  ") + "  "
        case 2:
            return f"R9 a b 1.0\n{line}\nR8 a b 1.0"
        case 3 if line[:1].isalpha() and " " in line:
            first, rest = line.split(" ", 1)
            return f"{first}\n+ {rest}"
        case 4 if not line.startswith("*"):
            return f"* hidden\n{line}"
    return line


def planted() -> Iterator[tuple[int, str]]:
    rng = random.Random(5)
    for k in range(PLANTED):
        yield k, variants(COMMANDS[k % len(COMMANDS)], rng)


def deck(path: Path, target: str = "spice", dialect: str = "ngspice") -> Deck:
    circuit = kc.compile(path)
    return deck_of(circuit.name, kc.lower(circuit, target, dialect=dialect, until=circuit.duration or 1e-9))


@pytest.fixture(scope="module")
def decks() -> list[Deck]:
    return [deck(path) for path in EXAMPLES if path.stem not in ("edges", "mnist") and not path.stem.endswith("sky130")]


@pytest.fixture(scope="module")
def module_decks() -> list[Deck]:
    """Decks with Verilog-A modules, for ngspice and for VACASK."""
    return [deck(path, "veriloga", dialect) for path in EXAMPLES if path.stem in ("low_pass", "lc_line", "max_cut")
            for dialect in ("ngspice", "vacask")]


@pytest.mark.parametrize(("target", "dialect"), [("spice", "ngspice"), ("veriloga", "ngspice"), ("veriloga", "vacask")])
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_decks_of_the_examples_pass(path: Path, target: str, dialect: str) -> None:
    audit(deck(path, target, dialect))


def closed(lines: list[str]) -> bool:
    text = "".join(lines)
    return all(text.count(a) == text.count(b) for a, b in ("()", "{}"))


def test_a_line_planted_beside_modules_is_caught(module_decks: list[Deck]) -> None:
    """Every line in every file; a transient without `uic` is what the deck of modules has itself."""
    rng = random.Random(3)
    missed, tried = [], 0
    for one in module_decks:
        for name, text in one.files.items():
            lines = text.split("\n")
            # Between the brackets of a statement of VACASK words are nodes, whatever they are elsewhere.
            places = [at for at in range(1, len(lines)) if not lines[at].startswith("+") and closed(lines[:at])]
            for line in PLANTS[Path(name).suffix]:
                if line == ".tran 1e-9 1e-6 0 1e-9":
                    continue
                at = rng.choice(places)
                changed = Deck(one.main, {**one.files, name: "\n".join([*lines[:at], line, *lines[at:]])})
                tried += 1
                try:
                    audit(changed)
                    missed.append((name, line))
                except SimulatorFailed as failed:
                    missed += [] if failed.diagnostics[0].code == "KC0709" else [(name, line)]
    assert missed == []
    assert tried > PLANTED


def test_only_modules_of_the_deck_are_loaded(module_decks: list[Deck]) -> None:
    one = next(d for d in module_decks if d.main.endswith(".cir"))
    text = one.files[one.main]
    assert text.count(".control") == 1
    compiled = f"{one.main.removesuffix('_tb.cir')}.osdi"
    for old, new in ((compiled, "evil.osdi"), (compiled, f"{compiled} evil.osdi"), (compiled, f"../{compiled}"),
                     (compiled, f"{compiled}\nshell date"), ("pre_osdi", "osdi"), ("pre_osdi", "PRE_OSDI"),
                     (".endc", ".endc extra"), (".control", ".control extra"),
                     (".endc\n", "\n.endc\n"), (".control\n", ".control\nshell date\n")):
        assert old in text
        with pytest.raises(SimulatorFailed):
            audit(Deck(one.main, {**one.files, one.main: text.replace(old, new, 1)}))
    without = {name: text for name, text in one.files.items() if not name.endswith(".va")}
    with pytest.raises(SimulatorFailed):
        audit(Deck(one.main, without))


def test_a_line_planted_beside_transistors_is_caught() -> None:
    """But for what such decks say themselves; a file of models holds elements and cards of models, and no names of files."""
    one = deck(next(path for path in EXAMPLES if path.stem == "two_moons_sky130"))
    audit(one)
    own = re.compile(r"\.(?:temp|tran|save|dc|ac|options? (?:seed|wnflag))|V1 a 0 DC 1 AC 1|X1 a b sub x=1", re.IGNORECASE)
    models = re.compile(r"[b-z*+]|\.(?:param|func|options?|global|subckt|ends|model|nodeset|if|else|endif)\b", re.IGNORECASE)
    caught = 0
    for name, text in one.files.items():
        lines = text.split("\n")
        at = next(k for k in range(len(lines) // 2, len(lines)) if not lines[k].startswith("+"))
        for line in COMMANDS:
            plain = not re.search(r"[\"`]", line)
            said = plain and models.match(line.strip()) if name.endswith(".lib") else own.match(line.strip())
            if said:
                continue
            with pytest.raises(SimulatorFailed):
                audit(Deck(one.main, {**one.files, name: "\n".join([*lines[:at], line, *lines[at:]])}))
            caught += 1
    assert caught > len(COMMANDS) * 2


def test_files_in_other_languages_are_refused(decks: list[Deck]) -> None:
    for name in ("evil.py", "evil.scs", "evil", "disciplines.vams", "evil.osdi", "evil.CIR"):
        with pytest.raises(SimulatorFailed):
            audit(Deck(decks[0].main, {**decks[0].files, name: "* nothing\n"}))


def test_a_planted_line_is_caught(decks: list[Deck]) -> None:
    rng = random.Random(9)
    missed = []
    for k, text in planted():
        one = decks[k % len(decks)]
        name = rng.choice(sorted(one.files))
        lines = one.files[name].split("\n")
        # Not between a card and its continuation, which would be another card.
        places = [at for at in range(1, len(lines)) if not lines[at].startswith("+")]
        at = rng.choice(places)
        changed = Deck(one.main, {**one.files, name: "\n".join([*lines[:at], text, *lines[at:]])})
        try:
            audit(changed)
            missed.append(text)
        except SimulatorFailed as failed:
            missed += [] if failed.diagnostics[0].code == "KC0709" else [text]
    assert missed == []


@pytest.mark.parametrize("name", [".spiceinit", ".vacaskrc.toml",
                                  "../evil.cir", "/etc/evil", "a b.cir", "evil\n.cir", "", "~evil", "é.cir", "-r"])
def test_names_of_files(decks: list[Deck], name: str) -> None:
    with pytest.raises(SimulatorFailed):
        audit(Deck(decks[0].main, {**decks[0].files, name: "* nothing\n"}))


@pytest.mark.parametrize("first", [".control", "", "R1 a b 1.0", " * title", "*ng_script", "*"])
def test_the_first_line_is_a_comment(decks: list[Deck], first: str) -> None:
    one = decks[0]
    with pytest.raises(SimulatorFailed):
        audit(Deck(one.main, {**one.files, one.main: first + "\n" + one.files[one.main]}))


def test_a_continuation_continues_a_card(decks: list[Deck]) -> None:
    one = decks[0]
    for text in ("* comment\n+ R1 a b 1.0", "\n+ R1 a b 1.0", "R1 a b 1.0\n* comment\n+ R2 a b 1.0"):
        with pytest.raises(SimulatorFailed):
            audit(Deck(one.main, {**one.files, one.main: one.files[one.main].replace(".end\n", text + "\n.end\n")}))


def test_values_may_be_changed_by_hand(decks: list[Deck]) -> None:
    one = next(d for d in decks if d.main.startswith("LowPass"))
    text = one.files["LowPass.spice"].replace("10000.0", "5e3").replace("Rr1", "rR1")
    audit(Deck(one.main, {**one.files, "LowPass.spice": text}))
