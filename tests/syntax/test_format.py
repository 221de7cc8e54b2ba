"""The formatter: goldens, the same tree, the same comments, the same text the second time, and its speed."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kcompile as kc
from benchmarks.programs import random_program, shape_of
from kcompile.diagnostics import Reporter
from kcompile.syntax.format_source import format_source
from kcompile.syntax.parse import parse, parser

ROOT = Path(__file__).parents[2]
SHIPPED = sorted([*(ROOT / "examples").glob("*.kc"), *(ROOT / "kcompile" / "std").glob("*.kc")])


def formatted(text: str) -> str:
    return format_source(kc.Source("test.kc", text))


def tree(text: str) -> object:
    report = Reporter()
    program = parse(kc.Source("test.kc", text), report)
    assert not report.failed, report.diagnostics
    return shape_of(program.declarations)


def comments(text: str) -> list[str]:
    return [match.rstrip() for match in re.findall(r"//[^\n]*", text)]


def in_circuit(*lines: str) -> str:
    return "circuit C {\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


def in_device(*lines: str) -> str:
    return "device D(p, n) {\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


GOLDENS = {
    "param": ("device D(p,n){\nparam r:resistance=1   kOhm in(0,inf)trainable ;\n}",
              in_device("param r: resistance = 1 kOhm in (0, inf) trainable;")),
    "unit expression": ("device D(p ,n) {\n param k : A / V ^ 2=- 1 A/V^2 in[-8 A/V^2,2\tA/V^2) ;\n}",
                        in_device("param k: A/V^2 = -1 A/V^2 in [-8 A/V^2, 2 A/V^2);")),
    "negative power": ("device D(p,n){\nparam k:V ^ - 1=2  V^-1;\n}", in_device("param k: V^-1 = 2 V^-1;")),
    "state": ("device D(p,n)\n{\nstate i:current=0 A;ddt( i )=V( p,n )/1 s ;\n}",
              "device D(p, n)\n    {\n    state i: current = 0 A; ddt(i) = V(p, n) / 1 s;\n}\n"),
    "contribution": ("device D(p,n){\nI ( p , n )<+V(p)*-1 S-ddt ( 1 F *V(p,n) ) ;\n}",
                     in_device("I(p, n) <+ V(p) * -1 S - ddt(1 F * V(p, n));")),
    "signs": ("const a=-1- -2*- (3)- - -pow(-1,-2) ;", "const a = -1 - -2 * -(3) - --pow(-1, -2);\n"),
    "choice": ("const a=if (1<2 and not(2>=3),-if(1==2,3,4)*if(1!=1,1,1),2);",
               "const a = if(1 < 2 and not (2 >= 3), -if(1 == 2, 3, 4) * if(1 != 1, 1, 1), 2);\n"),
    "filter": ("circuit C{\nR(a,b)for k in 0 .. n-1,j in x[ 1..2,- 1 ]if(k,j)!=(1,2)or k%2==0 ;\n}",
               in_circuit("R(a, b) for k in 0..n - 1, j in x[1..2, -1] if (k, j) != (1, 2) or k % 2 == 0;")),
    "filter alone": ("circuit C{\nR(a,b)if(1<2);\n}", in_circuit("R(a, b) if (1 < 2);")),
    "chained comparison": ("circuit C{\nR(a,b)for k in 0..8 if 0<=k<8;\n}",
                           in_circuit("R(a, b) for k in 0..8 if 0 <= k < 8;")),
    "assignments": ("circuit C{\nR  w [ k ](a[k],gnd){fixed r=1 kOhm,k=-3,}for k in 0..3;R(a,b){ };\n}",
                    in_circuit("R w[k](a[k], gnd) { fixed r = 1 kOhm, k = -3, } for k in 0..3; R(a, b) {};")),
    "assignments on lines": ("circuit C{\nR(a,b){\nr=1,\nc=2+\n3\n}\nfor k in 0..3;\nS(a);\n}",
                             in_circuit("R(a, b) {", "    r = 1,", "    c = 2 +", "        3", "}", "    for k in 0..3;",
                                        "S(a);")),
    "nodes": ("circuit C(a ,b){\nnode x [3,4],y[2]rail[-1 V,1 V]g=1 S;node z=x+y [ 0..2 ];\n}",
              "circuit C(a, b) {\n    node x[3, 4], y[2] rail [-1 V, 1 V] g = 1 S; node z = x + y[0..2];\n}\n"),
    "drive": ("circuit C{\ndrive x [0]=sin(0 V,1 V ,phase=-30,frequency=1 MHz)for k in 0..1;"
              "initial x[k]=-0.1 V*k for k in 0..1;\n}",
              in_circuit("drive x[0] = sin(0 V, 1 V, phase = -30, frequency = 1 MHz) for k in 0..1; "
                         "initial x[k] = -0.1 V * k for k in 0..1;")),
    "phase": ("circuit C{\nphase one for 500 ms{\nR(a,b);\n}\ninput x;output y [ 40 .. 50 ],z;pdk sky130 ;\n}",
              in_circuit("phase one for 500 ms {", "    R(a, b);", "}", "input x; output y[40..50], z; pdk sky130;")),
    "use": ('use   "a b//c.kc":X ,Y;\nuse std . passive:R;use std.sources ;', 'use "a b//c.kc": X, Y;\nuse std.passive: R; '
            "use std.sources;\n"),
    "array": ("circuit C{\nparam w [2,2]:real=[[1,2],[-3,4]];\n}", in_circuit("param w[2, 2]: real = [[1, 2], [-3, 4]];")),
    "comments": ("//a \nconst a=1;// b\n  //c\nconst b=2;//d\n//e", "//a\nconst a = 1;  // b\n//c\nconst b = 2;  //d\n//e\n"),
    "comment inside a statement": ("device D(p,n){\nI(p,n)<+ // sum\n1 A // one\n// two\n+2 A;//end\n//last\n}",
                                   in_device("I(p, n) <+  // sum", "    1 A  // one", "    // two", "    + 2 A;  //end",
                                             "//last")),
    "comment marks in strings": ('use "x//y.kc";//z', 'use "x//y.kc";  //z\n'),
    "blank lines": ("\n\n\nconst a=1;\n\n\n\nconst b=2;\n \t \n// c\n\n\n", "const a = 1;\n\nconst b = 2;\n\n// c\n"),
    "blank lines in a body": ("circuit C{\n\n\n\nnode x;\n\n\n}\n", "circuit C {\n\n    node x;\n\n}\n"),
    "carriage returns": ("const a=1;\r\n// b\r\n\r\n\r\nconst c=2;\r\n", "const a = 1;\n// b\n\nconst c = 2;\n"),
    "empty bodies": ("device D(){}\ncircuit C{ }\ncircuit E( ){\n}", "device D() {}\ncircuit C {}\ncircuit E() {\n}\n"),
    "nothing": ("\n \n\t\n", ""),
    "numbers": ("const a=1.50e-3\t kOhm;const b=2E+5;", "const a = 1.50e-3 kOhm; const b = 2E+5;\n"),
}


@pytest.mark.parametrize("name", GOLDENS)
def test_goldens(name: str) -> None:
    ugly, wanted = GOLDENS[name]
    assert formatted(ugly) == wanted
    assert formatted(wanted) == wanted
    assert tree(ugly) == tree(wanted)
    assert comments(ugly.replace('"x//y.kc"', "").replace("b//c", "")) == comments(
        wanted.replace('"x//y.kc"', "").replace("b//c", ""))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_programs_are_in_the_standard_layout(path: Path) -> None:
    assert formatted(path.read_text()) == path.read_text()


def pulled_apart(text: str, gaps: list[str]) -> str:
    """The tokens of a program with other gaps between them, comments included; gaps are used round and round."""
    found = []
    for k, token in enumerate(parser().lex(text)):
        found += [gaps[k % len(gaps)], str(token)]
    return "".join(found) + gaps[-1]


GAPS = st.lists(st.sampled_from([" ", "  ", "\t", "\n", "\n\n\n", " // note\n", "\n// \" {\n", "\r\n", " //\n\n//x;y\n "]),
                min_size=1, max_size=40)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.sampled_from([*(path.read_text() for path in SHIPPED), *map(random_program, range(20))]), GAPS)
def test_any_spacing_gives_the_same_tree_the_same_comments_and_a_fixed_point(text: str, gaps: list[str]) -> None:
    ugly = pulled_apart(text, gaps)
    once = formatted(ugly)
    assert formatted(once) == once
    assert tree(once) == tree(ugly)
    assert comments(once) == comments(ugly)
    assert "\n\n\n" not in once
    assert once.endswith("\n")
    assert not re.search(r"[ \t\r]\n", once)


def test_blanks_alone_do_not_matter() -> None:
    for path in SHIPPED:
        bare = re.sub(r"//[^\n]*", "", path.read_text())
        tokens = " ".join(str(token) for token in parser().lex(bare))
        packed = re.sub(r"(?<![0-9A-Za-z_.]) | (?![0-9A-Za-z_.])", "", tokens)
        assert formatted(packed) == formatted(tokens)
        assert tree(packed) == tree(bare)


def test_programs_that_do_not_parse_are_refused_at_their_own_place() -> None:
    with pytest.raises(kc.CompileError) as caught:
        formatted("// one\nconst a = 1; // two\nconst b = ; // three\n")
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.code == "KC0102"
    assert str(diagnostic.span) == "test.kc:3:11"


def test_a_hundred_thousand_lines_take_seconds() -> None:
    lines = "".join(f"Resistor R{k}(a[{k}],a[{k + 1}]){{r={k + 1} kOhm}};// {k}\n" for k in range(100_000))
    started = time.process_time()
    text = formatted(f"circuit C{{\n{lines}}}\n")
    assert time.process_time() - started < 10
    assert text.count("\n") == 100_002
    assert "    Resistor R7(a[7], a[8]) { r = 8 kOhm };  // 7\n" in text
