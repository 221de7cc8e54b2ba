"""What expressions of a netlist mean: as ngspice says, number by number, or refused."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import kcompile as kc
from kcompile.imports.netlist import import_netlist
from kcompile.sim.pack import System

A, B, C, R, K = -2.0, 3.0, 0.0, -2.0, 3.0
"""v(a), v(b), v(c), and the parameters r and k."""

LAWS = {
    "v(a)^3": 8, "v(a)**3": 8, "pow(v(a),3)": 8, "pwr(v(a),3)": -8, "v(a)^2": 4, "2^3^2": 64, "-v(b)^2": -9, "2**-2": 0.25,
    "-2^2": -4, "abs(v(a))^1.5": 2**1.5, "(1+v(b))^-2": 1 / 16, "(1+v(b))^0.5": 2, "2^v(b)": 8, "(1+v(b))^k": 64, "r^k": 8,
   
    "v(a)*v(a)*v(a)": -8, "v(b)/v(a)/v(a)": 0.75, "v(b)-v(a)-1": 4, "2*-3": -6, "2--3": 5, "+v(b)": 3, "- -v(b)": 3,
    "ln(v(b))": math.log(3), "log(10)": math.log(10), "log10(1000)": 3, "exp(v(a))": math.exp(-2), "sqrt(v(b))": math.sqrt(3),
    "sgn(v(a))+sgn(v(c))*10+sgn(v(b))*100": 99, "u(v(a))+10*u(v(b))+100*u(v(c))": 60, "uramp(v(a))+uramp(v(b))": 3,
    "u2(v(b))+u2(v(a))+u2(0.25)": 1.25, "tanh(v(a))": math.tanh(-2), "sin(v(b))": math.sin(3), "cos(v(b))": math.cos(3),
    "tan(1)": math.tan(1), "atan(v(a))": math.atan(-2), "sinh(v(a))": math.sinh(-2), "cosh(v(b))": math.cosh(3),
    "atanh(v(a)/4)": math.atanh(-0.5), "atanh(1e-9)": 1e-9, "min(v(a),v(b))": -2, "max(v(a),v(b))": 3, "v(a)<v(b) ? 5 : 6": 5,
    "v(a)>v(b) ? 5 : v(c) ? 6 : 7": 7, "v(b) ? 5 : 6": 5, "(v(a)<v(b)) && (v(b)<v(a))": 0, "v(a)<0 || v(b)<0": 1,
    "v(a)<0 || 1 && 0": 1, "!(v(a)<v(b))": 0, "!v(c)+1": 2, "v(a)*(v(a)<v(b))": -2, "v(b)==3": 1, "v(b)!=3": 0, "v(b)<>3": 0,
    "v(b)>=3": 1, "v(b)<=2": 0, "v(a,b)": -5, "v(a, 0)": -2, "v(0,b)": -3, "V(A)+V(gnd)": -2, "v(0)+v(a,a)+1": 1,
    "1k+1meg*1m": 2000, "10pf": 1e-11,
    "2.5e3": 2500, ".5+5.": 5.5, "1e3k": 1e6, "1M": 1e-3, "1x": 1, "2e": 2, "1a": 1e-18, "{r}*v(b)": -6, "r*v(b)": -6,
    "(r+k)*2": 2, "'r*2'": -4, "{k}^2": 9, "pi*1": math.pi, "e*1": math.e, "abs(v(a))+fine": 2.5,
}
"""A law, and its value."""

PARAMETERS = {
    "r^3": 8, "r**3": 8, "pow(r,3)": -8, "2^3^2": 64, "-k^2": -9, "pow(2,0.5)": 2**0.5, "k^0.5": 3**0.5, "ln(10)": math.log(10),
    "log10(100)": 2, "sqrt(k)": 3**0.5, "sgn(r)": -1, "r<k ? 5 : 6": 5, "(r<k) && (k<r)": 0, "!(r<k)": 0, "r*(r<k)": -2,
    "2--3": 5,    "1k+1meg*1m": 2000, "min(1,k)": 1, "max(r,k)": 3, "1==1": 1, "abs(r)": 2, "tanh(1)": math.tanh(1), "8/2/2": 2,
    "sin(1)+cos(1)": math.sin(1) + math.cos(1), "sinh(1)": math.sinh(1), "10pf": 1e-11,
}

HEAD = "expressions\n.param r=-2 k=3 fine={1/2}\nV1 a 0 -2\nVb b 0 3\nVc c 0 0\n"


def laws_by_ngspice(folder: Path) -> list[float]:
    if shutil.which("ngspice") is None:
        pytest.skip("ngspice is not installed")
    cards = "".join(f"B{k} o{k} 0 v={law}\nRo{k} o{k} 0 1\n" for k, law in enumerate(LAWS))
    cards += "".join(f".param z{k}={{{value}}}\nVz{k} q{k} 0 {{z{k}}}\n" for k, value in enumerate(PARAMETERS))
    (folder / "all.cir").write_text(f"{HEAD}{cards}.op\n.end\n")
    done = subprocess.run(["ngspice", "-n", "-b", "-r", "out.raw", "all.cir"], cwd=folder, capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return _op_vectors(folder / "out.raw", [f"v(o{k})" for k in range(len(LAWS))] + [f"v(q{k})" for k in range(len(PARAMETERS))])


def _op_vectors(path: Path, names: list[str]) -> list[float]:
    head, _, body = path.read_bytes().partition(b"Binary:\n")
    found = [line.split(b"\t")[2].decode() for line in head.split(b"\n") if line.startswith(b"\t")]
    values = dict(zip(found, np.frombuffer(body, dtype="<f8"), strict=False))
    return [float(values[name]) for name in names]


def imported(folder: Path) -> tuple[list[float], list[float]]:
    cards = "".join(f"B{k} 0 o{k} i={law}\nCo{k} o{k} 0 1\n" for k, law in enumerate(LAWS))
    cards += "".join(f".param z{k}={{{value}}}\nVz{k} q{k} 0 {{z{k}}}\n" for k, value in enumerate(PARAMETERS))
    (folder / "ours.cir").write_text(f"{HEAD}{cards}.end\n")
    circuit = kc.compile(kc.Source("ours.kc", import_netlist(folder / "ours.cir").text))
    system = System(circuit)
    rates = dict(zip([circuit.nodes.names[n] for n in system.free], system.rhs(0, 0.0, np.zeros(system.size), 1e-9), strict=True))
    volts = dict(zip(circuit.nodes.names, system.voltages(0.0, np.zeros(system.size)), strict=True))
    return [float(rates[f"o{k}"]) for k in range(len(LAWS))], [float(volts[f"q{k}"]) for k in range(len(PARAMETERS))]


def test_values(tmp_path: Path) -> None:
    laws, parameters = imported(tmp_path)
    wrong = [(text, found, wanted) for text, found, wanted in zip(LAWS, laws, LAWS.values(), strict=True)
             if found != pytest.approx(wanted, rel=1e-12, abs=0)]
    wrong += [(text, found, wanted) for text, found, wanted in zip(PARAMETERS, parameters, PARAMETERS.values(), strict=True)
              if found != pytest.approx(wanted, rel=1e-12, abs=0)]
    assert not wrong


def test_ngspice_says_the_same(tmp_path: Path) -> None:
    wanted = [*LAWS.values(), *PARAMETERS.values()]
    texts = [*LAWS, *PARAMETERS]
    wrong = [(text, found, value) for text, found, value in zip(texts, laws_by_ngspice(tmp_path), wanted, strict=True)
             if found != pytest.approx(value, rel=1e-9, abs=1e-9)]
    assert not wrong
