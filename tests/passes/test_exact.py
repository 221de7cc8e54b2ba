"""What each exact pass does, on circuits small enough to see it."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

import kcompile as kc
from kcompile.ir.circuit import Circuit
from kcompile.passes.find import known_passes
from kcompile.passes.parse_pipeline import parse_pipeline
from kcompile.passes.pipeline import Outcome
from kcompile.syntax.format_device import format_expr

HEAD = """use std.passive: Capacitor, Conductance, Resistor, Inductor;
use std.compute: Transconductor, TanhSaturation;
use std.kirchhoff: ShiftRelu;
"""


def compiled(text: str) -> Circuit:
    return kc.compile(kc.Source("t.kc", HEAD + text))


def run(text: str, passes: str) -> Outcome:
    return parse_pipeline(passes, known_passes()).run(compiled(text))


def names(circuit: Circuit) -> list[str]:
    return [table.name(row) for table in circuit.tables for row in range(table.count)]


def law(text: str, passes: str, params: str = "") -> str:
    """Current of a device with one law after passes."""
    device = f"device D(a, b) {{ {params} I(a, b) <+ {text}; }}"
    circuit = run(f"{device} circuit T {{ node a, b; Capacitor(n, gnd) for n in a + b; D(a, b); }}", passes).circuit
    [model] = [m for m in circuit.models if m.name == "D"]
    return " | ".join(format_expr(item.value) for item in model.definition.items if hasattr(item, "value"))


# ---- simplify ---------------------------------------------------------------------------------------------------------

K = "param k: conductance = 1 S in [0 S, 8 S]; param r: resistance = 1 Ohm in [1 Ohm, 1 kOhm];"


@pytest.mark.parametrize(("text", "wanted"), [
    ("relu(k) * V(a)", "k * V(a)"),
    ("abs(k) * relu(V(a))", "k * relu(V(a))"),
    ("relu(-k) * V(a) + 1 A", "1 A"),
    ("min(k, 9 S) * V(a)", "k * V(a)"),
    ("max(k, -1 S) * V(a)", "k * V(a)"),
    ("max(-1 S, k) * V(a)", "k * V(a)"),
    ("min(9 S, k) * V(a)", "k * V(a)"),
    ("if(k >= 0 S, k, 2 S) * V(a)", "k * V(a)"),
    ("if(k > 9 S, k, 2 S) * V(a)", "2 S * V(a)"),
    ("if(k > 1 S, V(a), V(a)) * 1 S", "1 S * V(a)"),
    ("if(k >= 0 S and V(a) > 0 V, 1 A, 2 A)", "if(0 < V(a), 1 A, 2 A)"),
    ("if(not V(a) < 0 V, 1 A, 2 A)", "if(0 <= V(a), 1 A, 2 A)"),
    ("leaky_relu(k * 1 V, 0.3)", "1 V * k"),
    ("leaky_relu(V(a), 1) * 1 S", "1 S * V(a)"),
    ("leaky_relu(V(a), 0 * 2) * 1 S + 1 A * cos(-V(a) / 1 V)", "1 A * cos(1 V^-1 * V(a)) + relu(1 S * V(a))"),
    ("1 A * tanh(-V(a) / 1 V) + 1 A * tanh(V(a) / 1 V)", ""),
    ("1 A * sqrt(0.25) * exp(0)", "0.5 A"),
    ("k * V(a) + k * relu(V(b))", "k * (V(a) + relu(V(b)))"),
    ("V(a) / r * r / r", "V(a) / r"),
    ("1 A * log(exp(k / 1 S))", "1 A/S * k"),
    ("1 A * sign(1 + k / 1 S)", "1 A"),
])
def test_simplify(text: str, wanted: str) -> None:
    found = law(text, "simplify", K)
    wanted = wanted.replace("A/S", "V")
    assert found == wanted


@pytest.mark.parametrize("text", [
    "relu(V(a)) * 1 S", "V(a) / V(b) * 1 A", "1 A * log(exp(V(a) / 1 V))", "min(V(a), V(b)) * k",
    "V(a) * V(b) / V(b) * k", "1 A * exp(log(V(a) / 1 V))", "1 A * sqrt(pow(V(a) / 1 V, 2))", "abs(V(a) - V(b)) * k",
    "relu(k - 0.5 S) * V(a)", "abs(k - 0.5 S) * V(a)", "max(k, 1 S) * V(a)", "if(k > 7 S, k, 2 S) * V(a)",
])
def test_simplify_leaves_what_is_not_sure(text: str) -> None:
    assert law(text, "simplify", K) == law(text, "inline", K)


# ---- fold-constants ---------------------------------------------------------------------------------------------------

SATURATED = """circuit T {
    param w: current = 2 mA trainable;
    node a, b;
    Capacitor(n, gnd) for n in a + b;
    TanhSaturation(a, b) { imax = w, v0 = 0.5 V };
    TanhSaturation(b, a) { %s };
    Resistor(a, b) { r = 2 kOhm };
}"""


def test_a_parameter_with_one_value_becomes_a_number() -> None:
    circuit = run(SATURATED % "v0 = 0.5 V", "fold-constants").circuit
    assert [sorted(table.params) for table in circuit.tables] == [["c"], ["imax"], ["imax"], ["r"]]
    assert circuit.tables[1].model is circuit.tables[2].model
    assert str(circuit.tables[1].model.law.currents[0].value) == "imax*tanh(2*V(vin))"
    assert circuit.tables[1].ties, "the shared parameter is still tied"


def test_parameters_that_differ_or_train_stay() -> None:
    circuit = run(SATURATED % "v0 = 0.6 V", "fold-constants").circuit
    assert sorted(circuit.tables[1].params) == ["imax", "v0"]
    trained = run("circuit T { node a, b; Capacitor(n, gnd) for n in a + b; TanhSaturation(a, b) { imax = 1 mA }; }",
                  "fold-constants").circuit
    assert sorted(trained.tables[1].params) == ["imax"], "v0 never trains"
    fixed = run("circuit T { node a, b; Capacitor(n, gnd) for n in a + b; TanhSaturation(a, b) { fixed imax = 1 mA }; }",
                "fold-constants").circuit
    assert not fixed.tables[1].params, "a fixed parameter is not trained"
    assert not fixed.tables[1].fixed


# ---- dead-devices and dead-nodes --------------------------------------------------------------------------------------

CHAIN = """circuit T(probe) {
    param n: integer = 5;
    node x[n], side[2], sensed, lone;
    node driver, idle;
    drive driver = dc(1 V);
    drive idle = dc(1 V);
    Capacitor(m, gnd) { c = 1 F } for m in x + side + sensed + lone + probe;
    Transconductor t[k](x[k], x[k + 1]) for k in 0..4;
    Resistor feed(driver, x[0]);
    Transconductor senses(x[2], side[0]);
    Resistor between(side[0], side[1]);
    Resistor idles(idle, side[0]);
    Transconductor look(sensed, probe);
    input lone;
    output x[3];
}"""


def test_devices_that_no_output_sees_are_dead() -> None:
    outcome = run(CHAIN, "dead-devices")
    assert names(outcome.circuit) == [*(f"Capacitor[0][{k}]" for k in range(10)), "t[0]", "t[1]", "t[2]", "feed", "look"]
    assert "20 -> 15 devices" in str(outcome.runs[0]) or outcome.runs[0].facts


def test_nodes_that_no_output_sees_are_dead() -> None:
    circuit = run(CHAIN, "dead-nodes").circuit
    assert circuit.nodes.names == ("gnd", "probe", "x[0]", "x[1]", "x[2]", "x[3]", "sensed", "lone", "driver")
    assert [circuit.nodes.name(int(n)) for n in circuit.outputs] == ["x[3]"]
    assert [circuit.nodes.name(int(n)) for n in circuit.inputs] == ["lone"], "an input stays"
    assert [circuit.nodes.name(int(n)) for n in circuit.driven] == ["driver"]
    assert len(names(circuit)) == 7 + 5


def test_a_capacitor_between_nodes_keeps_both_alive() -> None:
    for seen in ("a", "b"):
        circuit = run(f"""circuit T {{ node a, b, c; Capacitor(a, gnd); Capacitor(a, b); Capacitor(b, gnd); Capacitor(c, gnd);
            Resistor(a, gnd); Resistor(b, gnd); Resistor(c, gnd); output {seen}; }}""", "dead-nodes").circuit
        assert circuit.nodes.names == ("gnd", "a", "b")


def test_a_state_hands_on_what_it_reads() -> None:
    circuit = run("""device Follow(p, q) { state s: real; ddt(s) = V(p) / 1 V / 1 s; I(q) <+ 1 A * s; }
        circuit T { node a, b, c; Capacitor(n, gnd) for n in a + b + c; Follow(a, b); Resistor(a, c); output b; }""",
                  "dead-nodes").circuit
    assert circuit.nodes.names == ("gnd", "a", "b", "c"), "the resistor reads c, and drives a"
    circuit = run("""device Follow(p, q) { state s: real; ddt(s) = V(p) / 1 V / 1 s; I(q) <+ 1 A * s; }
        circuit T { node a, b, c; Capacitor(n, gnd) for n in a + b + c; Follow(a, b); Transconductor(a, c); output b; }""",
                  "dead-nodes").circuit
    assert circuit.nodes.names == ("gnd", "a", "b")


def test_without_outputs_and_ports_everything_lives() -> None:
    circuit = compiled("circuit T { node a, b; Capacitor(n, gnd) for n in a + b; Resistor(a, gnd); }")
    assert parse_pipeline("dead-devices,dead-nodes", known_passes()).apply(circuit) is circuit


def test_a_terminal_on_a_dead_node_goes_to_ground() -> None:
    circuit = run("""device Half(p, q) { I(p) <+ 1 S * V(p); I(q) <+ 1 S * V(q); }
        circuit T { node a, b; Capacitor(n, gnd) for n in a + b; Half h(a, b); output a; }""", "dead-nodes").circuit
    assert circuit.nodes.names == ("gnd", "a")
    assert circuit.tables[-1].nodes.tolist() == [[1, 0]]


# ---- merge-parallel ---------------------------------------------------------------------------------------------------


def values(circuit: Circuit, model: str, param: str) -> list[float]:
    return np.concatenate([t.params[param] for t in circuit.tables if t.model.name == model]).tolist()


def test_parallel_devices_add_up() -> None:
    circuit = run("""circuit T { node a, b; Capacitor(a, gnd) { c = 1 pF }; Capacitor(a, gnd) { c = 2 pF }; Capacitor(b, gnd);
        Resistor(a, b) { r = 1 kOhm }; Resistor(a, b) { r = 1 kOhm }; Conductance(a, b) { g = 1 S };
        Conductance(a, b) { g = 3 S }; ShiftRelu(a, b) { k = 1 S, th = 0.1 V }; ShiftRelu(a, b) { k = -3 S, th = 0.1 V };
        ShiftRelu(a, b) { k = 1 S };
        ShiftRelu(b, a) { k = 1 S, th = 0.1 V }; Inductor(a, b); Inductor(a, b); }""", "merge-parallel").circuit
    assert values(circuit, "Capacitor", "c") == pytest.approx([3e-12, 1e-12])
    assert values(circuit, "Resistor", "r") == pytest.approx([500.0])
    assert values(circuit, "Conductance", "g") == [4.0]
    assert values(circuit, "ShiftRelu", "k") == [-2.0, 1.0, 1.0], "another threshold and another direction are apart"
    assert len(values(circuit, "Inductor", "l")) == 2


def test_a_sum_outside_the_limits_is_left_apart() -> None:
    outcome = run("circuit T { node a, b; Capacitor(n, gnd) for n in a + b; ShiftRelu(a, b) { k = 5 S }; "
                  "ShiftRelu(a, b) { k = 4 S }; ShiftRelu(b, a) { k = 5 S }; ShiftRelu(b, a) { k = 2 S }; }", "merge-parallel")
    assert values(outcome.circuit, "ShiftRelu", "k") == [5.0, 4.0, 7.0]
    assert "sums outside the limits, left apart 1" in str(outcome.runs[0])


def test_devices_of_different_phases_and_shared_ones_are_apart() -> None:
    text = """circuit T { param w: conductance = 1 S trainable; node a, b; Capacitor(n, gnd) for n in a + b;
        phase one for 1 s { Conductance(a, b) { g = 1 S }; Conductance(a, b) { g = 1 S }; }
        phase two for 1 s { Conductance(a, b) { g = 1 S }; ShiftRelu(a, b) { k = w }; ShiftRelu(a, b) { k = w }; } }"""
    circuit = run(text, "merge-parallel").circuit
    assert values(circuit, "Conductance", "g") == [2.0, 1.0]
    assert len(values(circuit, "ShiftRelu", "k")) == 2


# ---- canonicalize -----------------------------------------------------------------------------------------------------


def test_what_carries_no_current_is_gone_and_symmetric_devices_are_turned() -> None:
    outcome = run("""circuit T { node a, b; Capacitor(n, gnd) for n in a + b; Resistor(b, a); Resistor r[k](gnd, a) for k in 0..1;
        Conductance(a, b) { g = 0 S }; Conductance(a, a) { g = 1 S }; ShiftRelu(b, a) { k = 0 S };
        ShiftRelu(a, b) { fixed k = 0 S };
        Transconductor(b, a) { gm = 1 S }; }""", "canonicalize")
    circuit = outcome.circuit
    assert [(t.model.name, t.nodes.tolist()) for t in circuit.tables] == [
        ("Capacitor", [[1, 0], [2, 0]]), ("Resistor", [[1, 2]]), ("Resistor", [[1, 0]]), ("ShiftRelu", [[2, 1]]),
        ("Transconductor", [[2, 1]])]
    assert "devices turned round 2" in str(outcome.runs[0])


def test_powers_that_expand_without_end_are_not_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    widest = 0

    def expand(expr: sympy.Expr) -> sympy.Expr:
        nonlocal widest
        widest = max(widest, 0, *(int(one.exp) for one in expr.atoms(sympy.Pow)))
        return expr

    monkeypatch.setattr("kcompile.passes.linearity.sympy.expand", expand)
    for law, most in (("pow(V(p, n) / (1 V), 3)", 3), ("pow((V(p, n) + v) / (1 V), 64)", 0),
                      ("tanh(pow((V(p, n) + v) / (1 V), 64))", 0), ("pow(pow(V(p, n) / (1 V), 64), 64)", 0)):
        widest = 0
        run(f"""device D(p, n) {{ param v: voltage = 1 V; I(p, n) <+ 1 mA * {law}; }}
            circuit T {{ node a; Capacitor(a, gnd); D(a, gnd); }}""", "canonicalize")
        assert widest == most, law


def test_equal_devices_of_different_files_become_one_model() -> None:
    text = "device A(p, q) { I(p, q) <+ 1 S * V(p, q); }"
    from kcompile.ir.printer import print_circuit

    circuit = compiled(text + " circuit T { node a, b; Capacitor(n, gnd) for n in a + b; A(a, b); A(b, a); }")
    twice = kc.compile(kc.Source("t.kcir", print_circuit(circuit).replace("model 1 phase", "model 2 phase", 1).replace(
        "\ndevice A", "\ndevice A(p, q) {\n    I(p, q) <+ 1 S * V(p, q);\n}\n\ndevice A", 1)))
    assert len(twice.models) == 3
    assert len(parse_pipeline("canonicalize", known_passes()).apply(twice).models) == 2
