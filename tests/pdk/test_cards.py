"""Model libraries: the right cards of the right section, and of those what devices reach."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from kcompile.diagnostics import KcompileError, render_text
from kcompile.pdk.cards import Reader
from kcompile.pdk.find import Installation
from kcompile.pdk.load import load_pdk
from kcompile.pdk.trim import Transistor, trim

LIBRARY = """* a library
.LIB tt
.param
+ corner = 0
.include 'models.spice'
.endl tt
.lib ss
.param corner=1
.lib "sections.lib" deep
.endl
"""
MODELS = """.subckt nfet d g s b
+ w=1
* a comment between a card and its continuation, and a blank line

  + l=2
Xinner d g s b core w={w}
.ends nfet
.subckt core d g s b w=1
M0 d g s b nmodel w={w}
.ends
.subckt unused a b
R1 a b 1
.ends
.model nmodel.0 nmos level=1
.model nmodel.1 nmos level=1
.model other nmos level=1
"""


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)


def installation(folder: Path) -> Installation:
    library = load_pdk("sky130").library
    assert library is not None
    return Installation("mine", replace(library, parts=("main.lib {corner}",)), folder, "a test")


def message(function, *arguments) -> str:
    with pytest.raises(KcompileError) as caught:
        function(*arguments)
    return render_text(caught.value.diagnostics)


def test_a_section_has_its_cards_with_their_continuations(tmp_path: Path) -> None:
    write(tmp_path, main_lib=LIBRARY, models_spice=MODELS,
          sections_lib=".lib other\n.param b=1\n.endl\n.lib deep\n.param c=1\n.endl\n")
    typical = list(Reader().cards(tmp_path / "main.lib", "TT"))
    assert typical[:2] == [".param\n+ corner = 0", ".subckt nfet d g s b\n+ w=1\n+ l=2"]
    assert list(Reader().cards(tmp_path / "main.lib", "ss")) == [".param corner=1", ".param c=1"]


def test_what_devices_reach_stays_and_the_rest_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(tmp_path, main_lib=LIBRARY, models_spice=MODELS)
    models = trim(installation(tmp_path), "tt", [Transistor("nfet")])
    assert "corner = 0" in models.text and "Xinner" in models.text and "M0 d g s b" in models.text
    assert "nmodel.0" in models.text and "nmodel.1" in models.text
    assert "unused" not in models.text and "other" not in models.text
    assert trim(installation(tmp_path), "tt", [Transistor("core")]).text.count(".subckt") == 1


RANGES = ((1, 2), (2, 4), (4, 9))
BINNED = (".subckt fet d g s b mult=1\n.param w=1 l=1 twice={2*width}\n+ width={w+extra}\nm0 d g s b m w={w} l={l}\n"
          + "".join(f".model m.{k} nmos\n+ lmin = {low}E-6 lmax = {high}e-06 wmin = 1e-6 wmax = 9e-6\n+ vto = {{twice/{k + 1}}}\n"
                    for k, (low, high) in enumerate(RANGES)) + ".ends\n")


def hoisted(folder: Path, text: str, *sizes: tuple[float | None, float | None]) -> str:
    write(folder, main_lib=f".lib tt\n.option scale=1.0u\n.param extra=0.5\n{text}.endl\n")
    return trim(installation(folder), "tt", [Transistor("fet", *size) for size in sizes]).text


def test_models_of_known_sizes_stand_outside_of_the_subcircuit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ngspice copied all 48 models of a transistor for every instance: 0.7 MB, and 11 GB for a network of 14,000."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    text = hoisted(tmp_path, BINNED, (2.0, 5.0), (3.0, 1.5))
    outside, inside = text.split(".subckt")
    first, second = outside.split(".model")[1:]
    assert "m.1 nmos" in first and "{(2*((2.0)+extra))/3}" in first and "m.2 nmos" in second and "{(2*((3.0)+extra))/1}" in second
    # On the border of two ranges ngspice takes the later one: a current was 1e-9 off with the other.
    assert "/3}" in hoisted(tmp_path, BINNED, (2.0, 4.0)).split(".subckt")[0]
    limits = {word: float(value) for word, _, value in map(str.split, re.findall(r"[lw]m\w+ = \S+", first))}
    assert limits == pytest.approx({"lmin": 5e-6, "lmax": 5e-6, "wmin": 2e-6, "wmax": 2e-6}, rel=2e-9)
    assert limits["lmin"] < 5e-6 < limits["lmax"] and ".model" not in inside and "m0 d g s b m" in inside


@pytest.mark.parametrize(("change", "sizes"), [
    (("", ""), [(2.0, 5.0), (2.0, None)]), (("", ""), [(0.5, 3.0)]), (("2*width", "2*width/mult"), [(2.0, 5.0)]),
    (("{w+extra}", "{w+extra} + 1"), [(2.0, 5.0)]),
    ((".model m.0", ".if (1)\n.endif\n.model m.0"), [(2.0, 5.0)]), ((".ends\n", ".ends\n.model m r\n"), [(2.0, 5.0)])])
def test_models_stay_where_a_size_does_not_say_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str],
                                                    sizes: list[tuple[float | None, float | None]]) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    text = hoisted(tmp_path, BINNED.replace(*change) if change[0] else BINNED, *sizes)
    assert text.split(".subckt fet")[1].split(".ends")[0].count(".model") == 3


def test_the_cache_follows_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(tmp_path, main_lib=LIBRARY, models_spice=MODELS)
    first = trim(installation(tmp_path), "tt", [Transistor("nfet")])
    read = []
    monkeypatch.setattr(Reader, "text", lambda self, path: read.append(path) or path.read_text())
    assert trim(installation(tmp_path), "tt", [Transistor("nfet")]) == first and not read
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(tmp_path, models_spice=MODELS.replace("l=2", "l=3"))
    other = trim(installation(tmp_path), "tt", [Transistor("nfet")])
    assert "l=3" in other.text and other.digest != first.digest
    next((tmp_path / "cache" / "kcompile" / "models").glob("*.json")).write_text("{")
    assert trim(installation(tmp_path), "tt", [Transistor("nfet")]) == other


@pytest.mark.parametrize(("text", "said"), [
    (".include 'main.lib'\n", "nested deeper than 20"),
    (".include 'gone.lib'\n", "cannot be read"),
    (".subckt nfet a b\n.control\n.ends\n", "holds the card `.control`"),
    (".subckt pfet a b\n.ends\n", "have no device `nfet`"),
])
def test_a_library_that_cannot_be_used_is_refused(tmp_path: Path, text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(tmp_path, main_lib=text)
    mine = installation(tmp_path)
    mine = replace(mine, library=replace(mine.library, parts=("main.lib",)))
    assert said in message(trim, mine, "tt", [Transistor("nfet")])


def test_commands_outside_subcircuits_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(tmp_path, main_lib=".lib tt\n.control\nshell true\n.endc\n.subckt nfet a b\nR1 a b 1\n.ends\n.endl\n")
    assert "shell" not in trim(installation(tmp_path), "tt", [Transistor("nfet")]).text
