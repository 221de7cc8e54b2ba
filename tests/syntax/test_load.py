"""`use`: cycles, files outside the folder, links, missing names, the library, mistakes in used files."""

from __future__ import annotations

from pathlib import Path

import pytest

import kcompile as kc

DEVICE = "device D(p, n) { I(p, n) <+ V(p, n) / 1 Ohm; }\n"
TOP = "circuit T { node x; drive x = dc(1 V); D(x, gnd); }\n"


def write(folder: Path, **files: str) -> Path:
    """Files `name.kc` in a folder; returns the path of `main.kc`."""
    for name, text in files.items():
        (folder / f"{name}.kc").write_text(text)
    return folder / "main.kc"


def found(path: Path, **options: object) -> list[tuple[str, str]]:
    """(code, file:line) of every diagnostic."""
    return [(d.code, f"{Path(d.span.source.name).name}:{d.span.source.position(d.span.start)[0]}" if d.span else "")
            for d in kc.check(path, **options)]  # pyright: ignore


def test_a_file_beside(tmp_path: Path) -> None:
    main = write(tmp_path, main='use "other.kc";\n' + TOP, other=DEVICE)
    assert found(main) == []
    assert [model.name for model in kc.compile(main).models] == ["D"]


def test_chosen_names_only(tmp_path: Path) -> None:
    two = DEVICE + DEVICE.replace("device D", "device E") + "const r = 1 Ohm;\n"
    assert found(write(tmp_path, main='use "other.kc": D;\n' + TOP, other=two)) == []
    assert found(write(tmp_path, main='use "other.kc": E;\n' + TOP, other=two)) == [("KC0201", "main.kc:2")]


def test_a_chain_does_not_hand_names_on(tmp_path: Path) -> None:
    main = write(tmp_path, main='use "middle.kc";\n' + TOP, middle='use "last.kc";\n', last=DEVICE)
    assert found(main) == [("KC0201", "main.kc:2")]


def test_a_diamond_is_one_declaration(tmp_path: Path) -> None:
    sub = "circuit {}(a) {{ D(a, gnd); }}\n"
    main = write(tmp_path, main='use "left.kc";\nuse "right.kc";\nuse "last.kc";\n' + TOP, last=DEVICE,
                 left='use "last.kc";\n' + sub.format("L"), right='use "last.kc";\n' + sub.format("R"))
    assert found(main) == []


@pytest.mark.parametrize("files", [
    {"main": 'use "main.kc";\n' + DEVICE + TOP},
    {"main": 'use "a.kc";\n' + DEVICE + TOP, "a": 'use "b.kc";\n', "b": 'use "a.kc";\n'},
    {"main": 'use "a.kc";\n' + DEVICE + TOP, "a": 'use "main.kc": T;\n'},
])
def test_cycles(tmp_path: Path, files: dict[str, str]) -> None:
    codes = [code for code, _ in found(write(tmp_path, **files))]
    assert "KC0206" in codes


@pytest.mark.parametrize("text", ["../other.kc", "/etc/passwd", "sub/../../other.kc", "link.kc", "folder/other.kc"])
def test_nothing_outside_the_folder_is_read(tmp_path: Path, text: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    write(tmp_path, other=DEVICE)
    (inner / "link.kc").symlink_to(tmp_path / "other.kc")
    (inner / "folder").symlink_to(tmp_path)
    (inner / "sub").mkdir()
    main = write(inner, main=f'use "{text}";\n' + TOP)
    assert ("KC0207", "main.kc:1") in found(main)
    assert ("KC0207", "main.kc:1") not in found(main, include=[tmp_path, "/etc"])


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    write(tmp_path, other=DEVICE)
    (tmp_path / "link.kc").symlink_to(tmp_path / "other.kc")
    assert found(write(tmp_path, main='use "link.kc";\nuse "other.kc";\n' + TOP)) == []


def test_an_include_folder(tmp_path: Path) -> None:
    for name in ("inner", "library"):
        (tmp_path / name).mkdir()
    write(tmp_path / "library", other='use "more.kc";\nconst one = 1;\n', more=DEVICE)
    main = write(tmp_path / "inner", main='use "other.kc";\nuse "more.kc";\n' + TOP)
    assert found(main, include=[tmp_path / "library"]) == []
    assert found(main) == [("KC0205", "main.kc:1"), ("KC0205", "main.kc:2")]


@pytest.mark.parametrize(("line", "hint"), [
    ('use "othr.kc";', "other.kc"), ("use std.passiv;", "std.passive"), ("use std;", "library modules"),
    ("use std.passive.more;", ""), ("use std.__init__;", ""), ('use "";', ""), ('use ".";', ""), ('use "a\0b";', ""),
    (f'use "{"x" * 2000}";', ""), (f'use "{"x" * 300}";', ""), (f'use "{"x/" * 500}y";', "")])
def test_what_is_not_there(tmp_path: Path, line: str, hint: str) -> None:
    main = write(tmp_path, main=line + "\n" + DEVICE + TOP, other="")
    [diagnostic] = kc.check(main)
    assert diagnostic.code == "KC0205"
    assert hint in diagnostic.hint


@pytest.mark.parametrize("module", ["passive", "sources", "kirchhoff", "compute", "oscillator"])
def test_the_library_checks(tmp_path: Path, module: str) -> None:
    assert found(write(tmp_path, main=f"use std.{module};\n")) == []


def test_the_library_wins_over_a_folder_called_std(tmp_path: Path) -> None:
    (tmp_path / "std").mkdir()
    write(tmp_path / "std", passive="device Fake(p) { I(p) <+ 1 A; }\n")
    main = write(tmp_path, main="use std.passive: Resistor;\ncircuit T { node x; drive x = dc(1 V); Resistor(x, gnd); }\n")
    assert found(main) == []


def test_a_name_that_is_not_declared_there(tmp_path: Path) -> None:
    [diagnostic] = kc.check(write(tmp_path, main="use std.passive: Resistr;\n"))
    assert diagnostic.code == "KC0208"
    assert diagnostic.hint == "did you mean `Resistor`?"
    assert diagnostic.span is not None
    assert diagnostic.span.text == "Resistr"


def test_one_name_from_two_files(tmp_path: Path) -> None:
    main = write(tmp_path, main='use "a.kc";\nuse "b.kc";\n' + TOP, a=DEVICE, b=DEVICE)
    assert found(main) == [("KC0202", "main.kc:2")]
    main = write(tmp_path, main='use "a.kc";\n' + DEVICE + TOP, a=DEVICE)
    assert found(main) == [("KC0202", "main.kc:2")]


def test_mistakes_of_every_file_come_in_one_run(tmp_path: Path) -> None:
    bad = "device {}(p, n) {{ I(p, n) <+ V(p, n); }}\n"
    main = write(tmp_path, main='use "a.kc";\nuse "b.kc";\nconst c = 1 V + 1 A;\n', a=bad.format("A"), b=bad.format("B"))
    assert found(main) == [("KC0301", "a.kc:1"), ("KC0301", "b.kc:1"), ("KC0301", "main.kc:3")]


def test_files_that_are_no_text(tmp_path: Path) -> None:
    main = write(tmp_path, main='use "bad.kc";\n' + DEVICE + TOP)
    (tmp_path / "bad.kc").write_bytes(b"const a = 1;\xff\xfe")
    assert [code for code, _ in found(main)] == ["KC0108"]
    (tmp_path / "bad.kc").unlink()
    (tmp_path / "bad.kc").mkdir()
    assert found(main) == [("KC0205", "main.kc:1")]


def test_a_hundred_files_load_and_a_thousand_do_not(tmp_path: Path) -> None:
    names = [f"f{k}" for k in range(300)]
    write(tmp_path, **{name: f"const {name} = {k};\n" for k, name in enumerate(names)})
    few = write(tmp_path, main="".join(f'use "{name}.kc";\n' for name in names[:100]))
    assert found(few) == []
    many = write(tmp_path, main="".join(f'use "{name}.kc";\n' for name in names))
    assert found(many)[0] == ("KC0107", "main.kc:257")


def test_a_long_chain_of_files(tmp_path: Path) -> None:
    files = {f"f{k}": f'use "f{k + 1}.kc";\n' for k in range(250)}
    main = write(tmp_path, **files, f250="const a = 1;\n", main='use "f0.kc";\n')
    assert found(main) == []
