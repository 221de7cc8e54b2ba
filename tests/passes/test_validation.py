"""Translation validation: right-hand sides before and after every pass, on generated programs and on the examples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import kcompile as kc
from benchmarks.validation import pipelines, random_circuit, validate
from kcompile.ir.circuit import Circuit, frozen
from kcompile.passes import find
from kcompile.passes.base import Contract, Pass, PassLog
from kcompile.passes.find import known_passes
from kcompile.passes.scaling import Factors, scaled

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = 60


@pytest.fixture(scope="module")
def circuits() -> list[Circuit]:
    return [random_circuit(seed) for seed in range(PROGRAMS)]


@pytest.mark.parametrize("name", known_passes())
def test_generated_programs(circuits: list[Circuit], name: str) -> None:
    few = circuits[:6] if name in ("range-analysis", "scale") else circuits  # both look for boxes, which takes a while
    found = [validate(circuit, text, points=12) for circuit in few for text in pipelines(name)]
    assert max(difference.error for difference in found) <= 1
    # No random circuit has the voltages and currents of a process; tests/pdk/test_cells.py and test_balance.py have some.
    still = name in ("range-analysis", "inline", "map-cells", "balance-capacitance")
    assert still or sum(difference.changed for difference in found) > len(few) // 6


@pytest.mark.parametrize("name", ["low_pass", "van_der_pol", "lorenz", "max_cut", "kirchhoff_net", "edges"])
def test_examples_through_all_exact_passes(name: str) -> None:
    circuit = kc.compile(EXAMPLES / f"{name}.kc", settings={"n": 8} if name == "edges" else {})
    every = ",".join(one for one, cls in known_passes().items() if cls.contract is Contract.EXACT
                     and one not in ("scale", "range-analysis"))
    assert validate(circuit, every).error <= 1


COUPLED = """use std.passive: Capacitor, Resistor;
circuit Coupled(p) {
    node x[3];
    Capacitor(n, gnd) { c = 1 F } for n in x;
    Capacitor(x[0], x[1]) { c = 12 kF };
    Resistor(p, x[0]);
    Resistor(x[k], x[k + 1]) for k in 0..2;
    drive p = dc(1 V);
    output x;
}"""
"""The matrix of its capacitances has the condition 2e4."""


@pytest.mark.parametrize("wrong", ["r", "c"])
@pytest.mark.parametrize("program", ["low_pass", "coupled"])
def test_an_error_of_three_parts_in_a_trillion_is_seen(wrong: str, program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In currents as in capacitances, and no condition of a matrix forgives it."""
    class Wrong(Pass):
        """Makes one kind of parameter larger by a trillionth part or three."""

        name = "wrong"
        contract = Contract.EXACT

        def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
            def table(one):
                return replace(one, params={k: frozen(v * (1 + 3e-12)) if k == wrong else v for k, v in one.params.items()})

            return replace(circuit, tables=tuple(map(table, circuit.tables)))

    circuit = kc.compile(EXAMPLES / "low_pass.kc" if program == "low_pass" else kc.Source("coupled.kc", COUPLED))
    real = find.known_passes()
    monkeypatch.setattr("benchmarks.validation.known_passes", lambda: {**real, "wrong": Wrong})
    assert validate(circuit, "wrong").error > 1


def test_scaled_equations_are_the_same(circuits: list[Circuit], monkeypatch: pytest.MonkeyPatch) -> None:
    class Micro(Pass):
        """Scales by factors that are no powers of two."""

        name = "micro"
        contract = Contract.EXACT

        def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
            log.results["scale"] = Scaled(Factors(0.02, 1e-6, 1e-9))
            return scaled(circuit, log.results["scale"].factors)

    @dataclass(frozen=True)
    class Scaled:
        factors: Factors

    monkeypatch.setattr("benchmarks.validation.known_passes", lambda: {"micro": Micro})
    edges = kc.compile(EXAMPLES / "edges.kc", settings={"n": 6})
    assert max(validate(circuit, "micro", points=6).error for circuit in (*circuits, edges)) <= 1


def test_the_inverse_of_powers_of_two_gives_the_circuit_back(circuits: list[Circuit]) -> None:
    from kcompile.ir.printer import print_circuit

    factors = Factors(2.0**-5, 2.0**-20, 2.0**-30)
    for circuit in circuits[:30]:
        again = scaled(scaled(circuit, factors), factors.inverse())
        assert print_circuit(again) == print_circuit(scaled(circuit, Factors()))


def test_a_value_on_a_computed_limit_stays_inside_when_scaled() -> None:
    from kcompile.ir.printer import print_circuit
    from kcompile.ir.verify import verify

    circuit = kc.compile(kc.Source("t.kc", """use std.passive: Capacitor;
const unit = 0.1 V;
device Limited(p) {
    param k: voltage = unit * 3 in [-(unit * 3), unit * 3];
    param m: voltage = 0.1 V * 3 in [0 V, unit + 0.2 V];
    I(p) <+ 1 uS * (V(p) - k + m);
}
circuit T { node x; Capacitor(x, gnd); Limited(x); output x; }
"""))
    for volt in (0.37, 0.01, 1e-3, 1.7, 3.3):
        made = scaled(circuit, Factors(volt, 1.0, 1.0))
        verify(made)
        assert print_circuit(kc.compile(kc.Source("t.kcir", print_circuit(made)))) == print_circuit(made)
