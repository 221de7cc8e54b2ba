"""The part of a model library that some devices need: what a simulator reads in milliseconds instead of seconds.

Parameters and options stay; of subcircuits and models those stay that the devices reach. Nothing is changed in a card but that
models of known sizes are hoisted, so that currents have the same digits as with the whole library. What is kept is kept in the
user's cache, under the digest of the files it was cut from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kcompile.diagnostics import Diagnostic, UsageError, accepted, nearest, printable
from kcompile.files import sha256, write_files
from kcompile.pdk.cards import Reader, broken
from kcompile.pdk.find import Installation, module_files
from kcompile.pdk.hoist import Sizes, hoist
from kcompile.resources import cache_folder

_WORD = re.compile(r"[a-z_][a-z0-9_]*")
FORMAT = "5"
_KEPT = (".param", ".func", ".option", ".options", ".global", ".if", ".elseif", ".else", ".endif")
_INSIDE = re.compile(r"(?:\.(?:param|model|if|elseif|else|endif|func|subckt|ends|nodeset)\b|[a-z])")
"""How a card inside a subcircuit begins; commands, includes and output are not models."""
_SCALE = re.compile(r"\.options?\b.*?\bscale\s*=\s*([0-9.]+)(u?)", re.IGNORECASE)
MISMATCH = "_mm"
"""How corners end whose transistors are apart."""


class Transistor(NamedTuple):
    """A device by its name in the library, with the width and the length that a netlist gives it; None for any."""

    model: str
    width: float | None = None
    length: float | None = None


@dataclass(frozen=True)
class Models:
    """Text of models for a simulator, the digest of the library files that they were cut from, and Verilog-A files of which the
    text loads NAME.osdi."""

    text: str
    digest: str
    modules: tuple[Path, ...]


def trim(found: Installation, corner: str, devices: Iterable[Transistor]) -> Models:
    """Models of some devices in a corner; from the user's cache where they are there.

    Raises `UsageError` KC0721 for an unknown corner or device, `CompileError` KC0720 for a library that cannot be used.
    """
    sections = found.library.corners
    if corner not in sections:
        raise UsageError(Diagnostic("KC0721", f"{found.pdk} has no corner `{printable(corner, 40)}`",
                                    hint=nearest(corner, sections) or accepted(sections)))
    wanted: dict[str, set[tuple[float | None, float | None]]] = {}
    for model, *size in devices:
        # Where transistors are apart, each draws its own model.
        width, length = (None, None) if corner.endswith(MISMATCH) else size
        wanted.setdefault(model.lower(), set()).add((width, length))
    modules = found.modules
    cache = cache_folder()
    names = [f"{name} {sorted(map(repr, sizes))}" for name, sizes in sorted(wanted.items())]
    stamp = [FORMAT, found.pdk, str(found.folder), corner, *found.library.parts, *map(str, modules), *names]
    key = sha256("\0".join(stamp))[:24]
    if cache is not None and (kept := _kept(cache / "models", key, modules)):
        return kept
    reader = Reader()
    cards: list[str] = []
    for part in found.library.parts:
        file, _, section = part.partition(" ")
        cards += reader.cards(found.folder / file, section.format(corner=sections[corner]))
    for path in module_files(modules):
        reader.text(path)
    files = {str(path): sha256(text) for path, text in sorted(reader.texts.items())}
    title = f"* {found.pdk}, corner {corner}: cut from the library of the process, whose licence holds"
    loads = [f".control\npre_osdi {module.stem}.osdi\n.endc" for module in modules]
    models = Models("\n".join([title, *loads, *_cut(cards, wanted, found)]) + "\n", _digest(files), modules)
    if cache is not None:
        write_files(cache / "models", {f"{key}.lib": models.text, f"{key}.json": json.dumps(files)})
    return models


def _kept(folder: Path, key: str, modules: tuple[Path, ...]) -> Models | None:
    """What the cache holds, if the files it was cut from are still the same."""
    try:
        files: dict[str, str] = json.loads((folder / f"{key}.json").read_text())
        if any(sha256(Path(path).read_text(encoding="latin-1")) != digest for path, digest in files.items()):
            return None
        return Models((folder / f"{key}.lib").read_text(), _digest(files), modules)
    except (OSError, ValueError):
        return None


def _digest(files: Mapping[str, str]) -> str:
    return sha256("\0".join(f"{Path(path).name} {digest}" for path, digest in sorted(files.items())))


def _cut(cards: list[str], wanted: Mapping[str, Sizes], found: Installation) -> Iterator[str]:
    """Cards in their order, of subcircuits and models those that are reached."""
    loose, circuits, models = _sorted(cards, found.folder)
    if unknown := [name for name in sorted(wanted) if name not in circuits and name not in models]:
        raise UsageError(Diagnostic("KC0721", f"the models of {found.pdk} have no device `{printable(unknown[0], 60)}`",
                                    hint=nearest(unknown[0], [*circuits, *models])))
    reached: dict[str, None] = {}
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached[name] = None
            body = "\n".join([*circuits.get(name, ()), *models.get(name, ())]).lower()
            waiting += [word for word in set(_WORD.findall(body)) if word in circuits or word in models]
    yield from loose
    told = next(filter(None, map(_SCALE.match, loose)), None)
    scale = float(told[1]) * (1e-6 if told[2] else 1.0) if told else 1.0
    for name in sorted(reached.keys() & wanted.keys()):
        if outside := hoist(circuits.get(name, []), wanted[name], scale, models):
            yield from outside.models
            models[outside.name] = []
            circuits[name] = outside.rest
    for name in sorted(reached):
        yield from models.get(name, ())
        yield from circuits.get(name, ())


def _sorted(cards: list[str], folder: Path) -> tuple[list[str], dict[str, list[str]], dict[str, list[str]]]:
    """Loose cards; cards of each subcircuit; models, of which `name.3` is one of the bins of `name`."""
    loose: list[str] = []
    circuits: dict[str, list[str]] = {}
    models: dict[str, list[str]] = {}
    into, depth = loose, 0
    for card in cards:
        word, *rest = card.split(maxsplit=2)
        word = word.lower()
        if word == ".subckt":
            if depth == 0:
                into = circuits.setdefault(rest[0].lower(), [])
                into.clear()  # a later definition replaces an earlier one
            depth += 1
        if depth == 0 and word == ".model":
            models.setdefault(rest[0].lower().partition(".")[0], []).append(card)
        elif depth or word in _KEPT:
            if depth and not _INSIDE.match(word):
                raise broken(folder, f"a subcircuit holds the card `{printable(card, 80)}`")
            into.append(card)
        if word == ".ends" and depth:
            depth -= 1
            into = into if depth else loose
    return loose, circuits, models
