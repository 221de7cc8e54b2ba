"""Small texts that would cost much: each is refused at its place or accepted, within a second and half a gigabyte."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import kcompile as kc

SECONDS = 1.0
MEMORY = 500 << 20
HANGS = 20
"""Seconds of processor time after which a bomb is stopped; it has failed long before."""

ELEMENTS = ("device R(p, n) { param r: resistance = 1 Ohm; I(p, n) <+ V(p, n) / r; }\n"
            "device C(p) { I(p) <+ ddt(1 F * V(p)); }\n")


@contextmanager
def limits() -> Iterator[None]:
    """Half a gigabyte more than now, and an end to what hangs."""
    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {HANGS} s")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, HANGS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.fixture(autouse=True, scope="module")
def _warm() -> None:
    """Import everything and make the tables of the parser, which is not what a bomb costs."""
    import scipy.sparse.csgraph  # noqa: F401

    kc.lower(kc.Source("warm.kc", ELEMENTS + "circuit T { node x; C(x); R(x, gnd); }"), until=1.0)


def codes(model: kc.Source | Path, seconds: float = SECONDS, located: bool = True) -> set[str]:
    """Codes of the diagnostics of a model; fails when they take long, take memory or have no place."""
    with limits():
        started = time.process_time()
        found = kc.check(model)
        took = time.process_time() - started
    assert all(diagnostic.span is not None for diagnostic in found) or not located, found
    assert len(str(kc.CompileError(*found))) < 100_000
    assert took < seconds
    return {diagnostic.code for diagnostic in found}


def text(body: str) -> kc.Source:
    return kc.Source("bomb.kc", body)


def circuit(*lines: str) -> str:
    return ELEMENTS + "circuit T {\n    node x; C(x);\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


def doubling(levels: int) -> str:
    """Circuits that hold two of the one before: 2^levels devices."""
    parts = [f"circuit L{k + 1}(a) {{ L{k}(a); L{k}(a); }}\n" for k in range(levels)]
    return ELEMENTS + "circuit L0(a) { R(a, gnd); }\n" + "".join(parts) + f"circuit T {{ node x; C(x); L{levels}(x); }}\n"


def chain(count: int, start: str, step: str, end: str = "") -> str:
    return start + "".join(step.format(k=k, next=k + 1) for k in range(count)) + end


BOMBS: dict[str, tuple[Callable[[], str], set[str]]] = {
    "a million round brackets": (lambda: "const a = " + "(" * 10**6, {"KC0105"}),
    "a million pairs": (lambda: "const a = " + "(" * 10**6 + "1" + ")" * 10**6 + ";", {"KC0105"}),
    "a million square brackets": (lambda: "const a = " + "[" * 10**6, {"KC0105"}),
    "a million braces": (lambda: "circuit A " + "{" * 10**6, {"KC0105"}),
    "a million closing brackets": (lambda: ")" * 50_000, {"KC0102"}),
    "three hundred calls": (lambda: "const a = " + "tanh(" * 300 + "1" + ")" * 300 + ";", {"KC0105"}),
    "sixty calls": (lambda: "const a = " + "tanh(" * 60 + "1" + ")" * 60 + ";", set()),
    "a hundred thousand signs": (lambda: f"const a = {'-' * 100_000}1;", set()),
    "ten thousand negations": (lambda: circuit(f"R(x, gnd) if {'not ' * 10_000}1 < 2;"), set()),
    "a billion rows": (lambda: circuit("R(x, gnd) for k in 0..1000000000;"), {"KC0406"}),
    "more rows than there are numbers": (lambda: circuit("R(x, gnd) for k in 0..9007199254740991;"), {"KC0406"}),
    "rows without end": (lambda: circuit("R(x, gnd) for k in 0..inf;"), {"KC0304", "KC0422"}),
    "loops in loops": (lambda: circuit("R(x, gnd) for i in 0..1000000, j in 0..1000000, k in 0..1000000;"), {"KC0406"}),
    "loops in loops over nodes": (lambda: circuit("node y[1000, 100]; C(n) for n in y;", "R(a, b) for a in y, b in y;"),
                                  {"KC0406"}),
    "a billion nodes": (lambda: circuit("node y[1000000000];"), {"KC0406"}),
    "a cube of nodes": (lambda: circuit("node y[100000, 100000, 100000];"), {"KC0406"}),
    "many dimensions": (lambda: circuit(f"node y[{', '.join(['10'] * 60)}];"), {"KC0406"}),
    "extents of nothing": (lambda: circuit("node y[0];", "node z[-5];", "node w[1 - 3];"), {"KC0406"}),
    "a billion values": (lambda: circuit("param w[1000000000]: real = 0;"), {"KC0406"}),
    "copies of many nodes": (lambda: ELEMENTS + "circuit P(a) { param n: integer = 2; node m[n]; C(k) for k in m; }\n"
                             "circuit T { node x; C(x); P(x) { n = 1000000 } for k in 0..100000; }", {"KC0406"}),
    "towers of powers": (lambda: "const a = " + "pow(" * 20 + "9" + ", 64)" * 20 + ";", set()),
    "towers in exponents": (lambda: "const a = pow(9, pow(9, pow(9, 9)));", {"KC0303"}),
    "a billion as exponent": (lambda: "const a = pow(2, 1000000000);", {"KC0303"}),
    "an exponent of a numeral": (lambda: "const a = 1e1000000000;", {"KC0106"}),
    "many digits of an exponent": (lambda: f"const a = 1e{'9' * 10_000};", {"KC0106"}),
    "many digits of a negative exponent": (lambda: f"const a = 1e-{'9' * 10_000} kV;", set()),
    "a million digits": (lambda: f"const a = {'9' * 10**6};", {"KC0106"}),
    "a million digits behind the point": (lambda: f"const a = 0.{'9' * 10**6};", set()),
    "units beyond all limits": (lambda: "const a = 1 V^64*V^64;", {"KC0104"}),
    "prefixes beyond all limits": (lambda: "const a = 1 GV^60;", {"KC0104"}),
    "prefixes below all limits": (lambda: "const a = 1 fV^60;", {"KC0104"}),
    "a name of a megabyte": (lambda: f"const {'a' * 10**6} = 1;", set()),
    "an unknown name of a megabyte": (lambda: f"const b = 2;\nconst c = {'a' * 10**6};", {"KC0201"}),
    "a device of a megabyte": (lambda: circuit(f"{'D' * 10**6}(x, gnd);"), {"KC0201"}),
    "a word of a megabyte": (lambda: f"{'circui' * 10**5} A;", {"KC0102"}),
    "a unit of a megabyte": (lambda: f"const a = 1 {'V' * 10**6};", {"KC0104"}),
    "a dimension of a megabyte": (lambda: f"device D(p) {{ param k: {'V*' * 10_000}V = 1 V; I(p) <+ 1 A; }}", {"KC0301"}),
    "a line of blanks": (lambda: f"const a ={' ' * 10**7}1;", set()),
    "a line of comment": (lambda: f"const a = 1; // {'x' * 10**7}", set()),
    "a string of ten megabytes": (lambda: f'use "{"x" * 10**7}";', {"KC0205"}),
    "a string without an end": (lambda: f'use "{"x" * 10**6}', {"KC0101"}),
    "a file name of a kilobyte": (lambda: f'use "{"x" * 1000}";', {"KC0205"}),
    "a path of many folders": (lambda: f'use "{"x/" * 500}y";', {"KC0205"}),
    "fifty thousand stray signs": (lambda: "@" * 50_000, {"KC0101"}),
    "ten thousand mistakes": (lambda: "const a = ;\n" * 10_000, {"KC0102"}),
    "ten thousand unknown names": (lambda: "".join(f"const a{k} = b;\n" for k in range(5_000)), {"KC0201"}),
    "constants of constants": (lambda: chain(2_000, "const c0 = 1;\n", "const c{next} = c{k} + c{k};\n", circuit()),
                               {"KC0422", "ok"}),
    "names of names of nodes": (lambda: circuit(chain(40, "node a0 = x + x;\n", "node a{next} = a{k} + a{k};\n"),
                                                "R(n, gnd) for n in a40;"), {"KC0406"}),
    "circuits of circuits, forty deep": (lambda: doubling(40), {"KC0406"}),
    "circuits of circuits, thirty deep": (lambda: doubling(30), {"KC0406"}),
    "a circuit in itself": (lambda: ELEMENTS + "circuit A(a) { A(a); A(a); }\ncircuit T { node x; C(x); A(x); }", {"KC0209"}),
    "circuits in each other": (lambda: "circuit A(a) { B(a); }\ncircuit B(a) { A(a); }\n", {"KC0209"}),
    "a file of ends": (lambda: "}" * 20_000, {"KC0102"}),
    "a thousand terminals": (lambda: f"device D({', '.join(f't{k}' for k in range(1000))}) {{}}", {"KC0406"}),
    "two thousand statements": (lambda: f"device D(p) {{ {'I(p) <+ 1 A; ' * 2000} }}", {"KC0406"}),
    "nothing": (lambda: "", set()),
    "a zero byte": (lambda: "const a = 1;\0", {"KC0101"}),
    "zero bytes": (lambda: "\0" * 10_000, {"KC0101"}),
    "line ends of other systems": (lambda: circuit("R(x, gnd);").replace("\n", "\r\n"), set()),
    "old line ends": (lambda: circuit("R(x, gnd);").replace("\n", "\r"), set()),
    "a mark of byte order": (lambda: "\ufeff" + circuit("R(x, gnd);"), {"KC0101", "ok"}),
    "other blanks": (lambda: "const\u00a0a\u2003=\u30001;", {"KC0101"}),
    "other digits": (lambda: "const a = \u0663\u0664;", {"KC0101"}),
    "surrogates": (lambda: "const a = \ud800;", {"KC0101"}),
    "other letters": (lambda: "const \u00e4 = 1; device \u0394() {}", {"KC0101"}),
    "right to left": (lambda: "const a = 1; \u202e // \u202d\nconst b = ;", {"KC0101", "KC0102"}),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_or_accepted_in_a_second(name: str) -> None:
    make, wanted = BOMBS[name]
    found = codes(text(make()))
    if "ok" in wanted:  # both are fine: refused with one of these codes, or taken
        assert found <= wanted
    elif len(wanted) > 1:
        assert found
        assert found <= wanted
    else:
        assert found == wanted


def test_a_sum_of_a_hundred_thousand_terms_is_checked() -> None:
    body = " + ".join(["V(p, n) / 1 Ohm"] * 33_000) + " + 1 A"
    assert codes(text(f"device D(p, n) {{ I(p, n) <+ {body}; }}"), seconds=HANGS) == set()
    assert codes(text(f"const a = {' + '.join(['1'] * 100_000)};"), seconds=HANGS) == set()


def test_a_sum_of_five_thousand_terms_is_lowered() -> None:
    body = " + ".join(f"{k} mA * tanh(V(p, n) / {k + 1} V)" for k in range(5_000))
    source = text(f"device D(p, n) {{ I(p, n) <+ {body}; }}\n" + ELEMENTS + "circuit T { node x; C(x); D(x, gnd); }")
    assert codes(source, seconds=HANGS) == set()
    assert any("tanh" in artifact.text for artifact in kc.lower(source, until=1.0))


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "bad.kc"
    path.write_bytes(b"const a = 1;\n\xff\xfe\x00" * 1000)
    assert codes(path) == {"KC0108"}


def test_a_file_with_a_mark_of_byte_order_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mark.kc"
    path.write_bytes(b"\xef\xbb\xbfconst a = 1;\r\n")
    assert codes(path) <= {"KC0101"}


def test_files_that_use_each_other_in_a_ring(tmp_path: Path) -> None:
    for k in range(200):
        (tmp_path / f"f{k}.kc").write_text(f'use "f{(k + 1) % 200}.kc";\nconst c{k} = {k};\n')
    assert codes(tmp_path / "f0.kc") == {"KC0206"}


def test_files_that_use_two_files_each_are_read_once(tmp_path: Path) -> None:
    last = 25
    for k in range(last):
        for side in "ab":
            (tmp_path / f"{side}{k}.kc").write_text(f'use "a{k + 1}.kc";\nuse "b{k + 1}.kc";\nconst {side}{k} = a{k + 1};\n')
    for side in "ab":
        (tmp_path / f"{side}{last}.kc").write_text(f"const {side}{last} = 1;\n")
    main = tmp_path / "main.kc"
    main.write_text('use "a0.kc";\n' + circuit("R(x, gnd) { r = 1 Ohm * a0 };"))
    assert codes(main) == set()
