"""Pipelines: their text, their order, the verification around each pass, and passes of the user's own."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import kcompile as kc
from kcompile.files import to_json
from kcompile.ir.circuit import Circuit, NodeTable, frozen
from kcompile.ir.printer import print_circuit
from kcompile.passes.balance_capacitance import BalanceCapacitance
from kcompile.passes.base import Contract, Pass, PassLog, option
from kcompile.passes.find import known_passes
from kcompile.passes.parse_pipeline import MAX_PASSES, parse_pipeline
from kcompile.passes.pipeline import Pipeline
from kcompile.passes.prune import Prune
from kcompile.units import VOLTAGE

PROGRAM = """use std.passive: Capacitor, Resistor;
circuit T(vin, vout) {
    drive vin = dc(1 V);
    Capacitor(vout, gnd);
    Resistor(vin, vout);
    Resistor(vin, vout);
    output vout;
}
"""


@dataclass(frozen=True)
class Halve(Pass):
    """Halves every starting voltage."""

    name: ClassVar[str] = "halve"
    contract: ClassVar[Contract] = Contract.EXACT
    times: int = option(1, "how often")
    least: float | None = option(None, "voltages below this stay", VOLTAGE)
    loud: bool = option(False, "says so")
    word: str = option("", "what it says")

    def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
        log.fact("times", self.times)
        nodes = circuit.nodes
        return replace(circuit, nodes=NodeTable(nodes.banks, frozen(nodes.initial / 2**self.times)))


KNOWN = {"halve": Halve, **known_passes()}


@pytest.fixture(scope="module")
def circuit() -> Circuit:
    return kc.compile(kc.Source("t.kc", PROGRAM))


# ---- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "wanted"), [
    ("", ()),
    ("  ", ()),
    ("halve", (Halve(),)),
    ("halve{}", (Halve(),)),
    (" halve , halve{ times = 3 } ", (Halve(), Halve(times=3))),
    ("halve{least=20 mV,times=2,loud}", (Halve(times=2, least=0.02, loud=True),)),
    ("balance-capacitance{share=2.5%},prune{fraction= 10 %}", (BalanceCapacitance(share=0.025), Prune(fraction=0.1))),
    ("halve{least=1e-3,loud=false,word=a b}", (Halve(least=1e-3, word="a b"),)),
])
def test_a_pipeline_reads_as_it_is_written(text: str, wanted: tuple[Pass, ...]) -> None:
    pipeline = parse_pipeline(text, KNOWN)
    assert pipeline.passes == wanted
    assert parse_pipeline(str(pipeline), KNOWN).passes == wanted, "and prints as it reads"


@pytest.mark.parametrize(("text", "code", "column", "said"), [
    ("halv", "KC0801", 1, "did you mean `halve`?"),
    ("halve,nonsense", "KC0801", 7, "accepted: balance-capacitance"),
    ("halve{tims=2}", "KC0802", 7, "did you mean `times`?"),
    ("simplify{x=1}", "KC0802", 10, "it has no options"),
    ("halve{times=2.5}", "KC0803", 13, "`times` is a whole number, not `2.5`"),
    ("halve{times=2 V}", "KC0803", 13, "a whole number"),
    ("halve{least=2 A}", "KC0803", 13, "`least` is a voltage, in V, not `2 A`"),
    ("halve{least=2 %}", "KC0803", 13, "`least` is a voltage"),
    ("halve{times=100%}", "KC0803", 13, "a whole number"),
    ("halve{least}", "KC0803", 7, "`least` is a voltage"),
    ("halve{least=nan}", "KC0803", 13, "not `nan`"),
    ("halve{loud=perhaps}", "KC0803", 12, "true or false, not `perhaps`"),
    ("prune{threshold=-1}", "KC0803", 1, "a threshold of 0 A or more"),
    ("prune", "KC0803", 1, "a threshold or a fraction"),
    ("halve{times=1,times=2}", "KC0804", 15, "given twice"),
    ("halve,", "KC0804", 6, "not a pipeline"),
    ("halve{", "KC0804", 1, "not a pipeline"),
    ("halve halve", "KC0804", 1, "not a pipeline"),
    ("halve{times=1,}", "KC0804", 15, "not a pipeline"),
    ("{}", "KC0804", 1, "for example"),
    ("halve\n;rm", "KC0804", 1, "not a pipeline"),
    (",".join(["halve"] * (MAX_PASSES + 1)), "KC0804", None, "at most 100 passes"),
])
def test_what_is_no_pipeline_is_refused_at_its_place(text: str, code: str, column: int | None, said: str) -> None:
    with pytest.raises(kc.UsageError) as caught:
        parse_pipeline(text, KNOWN)
    [found] = caught.value.diagnostics
    assert found.code == code
    assert said in str(caught.value)
    assert (found.span.start + 1 if found.span else None) == column


# ---- running ----------------------------------------------------------------------------------------------------------


def test_passes_run_in_order_and_say_what_they_did(circuit: Circuit) -> None:
    outcome = Pipeline(parse_pipeline("merge-parallel,simplify", KNOWN).passes).run(circuit)
    assert [run.one.name for run in outcome.runs] == ["merge-parallel", "simplify"]
    assert str(outcome.runs[0]) == "merge-parallel: 3 -> 2 devices"
    assert str(outcome.runs[1]) == "simplify: nothing to do"
    assert outcome.runs[0].record() == {
        "pass": "merge-parallel", "options": {}, "contract": "exact", "facts": {"devices": [3, 2]}}
    assert sum(table.count for table in circuit.tables) == 3, "the circuit given is as it was"


def test_a_whole_number_keeps_all_its_digits() -> None:
    """A seed went through a float and came back as another one."""
    pipeline = parse_pipeline("range-analysis{seed=9007199254740993}", known_passes())
    assert pipeline.passes[0].seed == 9007199254740993


def test_a_watcher_sees_each_circuit_and_may_stop(circuit: Circuit) -> None:
    seen: list[tuple[str, int, int]] = []

    def watch(run, before: Circuit, after: Circuit) -> bool:
        seen.append((run.one.name, len(before.tables), len(after.tables)))
        return run.one.name == "merge-parallel"

    outcome = Pipeline(parse_pipeline("halve,merge-parallel,halve", KNOWN).passes).run(circuit, watch)
    assert seen == [("halve", 3, 3), ("merge-parallel", 3, 2)]
    assert len(outcome.runs) == 2


def test_compile_takes_passes_as_text_or_objects(circuit: Circuit) -> None:
    source = kc.Source("t.kc", PROGRAM)
    text = print_circuit(kc.compile(source, passes="merge-parallel"))
    assert text == print_circuit(kc.compile(source, passes=[KNOWN["merge-parallel"]()]))
    assert text == print_circuit(kc.Pipeline([KNOWN["merge-parallel"]()]).apply(circuit))
    assert text != print_circuit(circuit)


def bad(change, name: str = "bad") -> Pass:
    """A pass that does a given thing."""
    return type("Bad", (Pass,), {"name": name, "contract": Contract.EXACT, "apply": lambda self, c, log: change(c)})()


def stretched(circuit: Circuit) -> Circuit:
    circuit.nodes.initial.setflags(write=True)
    circuit.nodes.initial[1] = np.nan
    return circuit


@pytest.mark.parametrize(("change", "said"), [
    (lambda c: replace(c, outputs=frozen(np.array([99], dtype=np.int32))), "outputs are not nodes"),
    (lambda c: replace(c, outputs=c.outputs[:0]), "there were 1, now there are 0"),
    (lambda c: replace(c, tables=c.tables[1:]), "KC0407"),
    (lambda c: None, "gave no circuit"),
    (lambda c: 1 / 0, "ZeroDivisionError: division by zero"),
    (lambda c: c.tables[9], "IndexError"),
])
def test_the_guilty_pass_is_named(circuit: Circuit, change, said: str) -> None:
    with pytest.raises(kc.CompileError) as caught:
        Pipeline([Halve(), bad(change), Halve()]).apply(circuit)
    assert "`bad`" in str(caught.value)
    assert said in str(caught.value)
    assert caught.value.diagnostics[0].code in ("KC0806", "KC0807")


def test_a_pass_that_writes_into_the_circuit_it_was_given_is_caught() -> None:
    with pytest.raises(kc.CompileError, match="the pass `bad` made an invalid circuit"):
        Pipeline([bad(stretched)]).apply(kc.compile(kc.Source("t.kc", PROGRAM)))


def test_a_circuit_that_is_wrong_before_the_first_pass_is_not_blamed_on_it() -> None:
    circuit = stretched(kc.compile(kc.Source("t.kc", PROGRAM)))
    with pytest.raises(kc.CompileError, match="invalid before the first pass"):
        Pipeline([Halve()]).apply(circuit)


def test_without_verification_only_construction_checks(circuit: Circuit) -> None:
    grounded = Pipeline([bad(lambda c: replace(c, tables=c.tables[1:]))], verify=False).apply(circuit)
    assert len(grounded.tables) == 2


# ---- every pass -------------------------------------------------------------------------------------------------------


def test_the_passes_are_found_without_a_list() -> None:
    assert list(known_passes()) == sorted(known_passes())
    assert {"simplify", "fold-constants", "dead-devices", "dead-nodes", "merge-parallel", "prune", "canonicalize",
            "quantize", "range-analysis", "scale", "inline", "outline", "map-cells",
            "balance-capacitance"} == set(known_passes())


@pytest.mark.parametrize("name", known_passes())
def test_every_pass_has_a_page_and_a_place_in_the_documents(name: str) -> None:
    from kcompile.passes.show import describe

    page = describe(known_passes()[name])
    assert page.startswith(f"{name} (")
    assert len(page.splitlines()) > 3
    text = (Path(__file__).parents[2] / "docs" / "passes.md").read_text("utf-8")
    assert f"## {name}\n" in text


# ---- plugins ----------------------------------------------------------------------------------------------------------

PLUGIN = """from dataclasses import dataclass
from typing import ClassVar

from kcompile.passes.base import Contract, Pass, PassLog, option


@dataclass(frozen=True)
class Nothing(Pass):
    \"\"\"Does nothing.\"\"\"

    name: ClassVar[str] = "nothing"
    contract: ClassVar[Contract] = Contract.EXACT
    times: int = option(1, "how often")

    def apply(self, circuit, log: PassLog):
        log.fact("done", self.times)
        return circuit
"""


def test_a_file_adds_passes(tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    assert "nothing" in known_passes([plugin])
    assert "nothing" not in known_passes()
    circuit = kc.compile(kc.Source("t.kc", PROGRAM), passes="nothing{times=2}", plugins=[plugin])
    assert circuit.name == "T"


@pytest.mark.parametrize(("text", "said"), [
    ("x = 1\n", "defines no pass"),
    ("import nowhere_at_all\n", "ModuleNotFoundError"),
    ("def f(:\n", "SyntaxError"),
    (PLUGIN.replace('"nothing"', '"simplify"'), "a name that is taken"),
    (PLUGIN.replace('    contract: ClassVar[Contract] = Contract.EXACT\n', ""), "has no `contract`"),
    (PLUGIN.replace('    name: ClassVar[str] = "nothing"\n', ""), "has no `name`"),
    (PLUGIN.replace('option(1, "how often")', "1"), "not an `option(...)`"),
    (PLUGIN.replace('"nothing"', '"no thing"'), "has the name `no thing`"),
    (PLUGIN.replace("@dataclass(frozen=True)\n", ""), "is not a dataclass"),
    (PLUGIN.replace("times: int", "times: tuple"), "`times` that is not a float, int, bool or str"),
    ("from __future__ import annotations\n" + PLUGIN.replace("times: int", "times: Whole"), "a type that cannot be read"),
])
def test_a_file_that_is_no_plugin_is_refused(tmp_path: Path, text: str, said: str) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(text)
    with pytest.raises(kc.UsageError) as caught:
        known_passes([plugin])
    assert caught.value.diagnostics[0].code == "KC0805"
    assert said in str(caught.value)


def test_a_plugin_may_write_its_annotations_as_texts(tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text("from __future__ import annotations\n" + PLUGIN)
    assert parse_pipeline("nothing{times=3}", known_passes([plugin])).passes[0].times == 3  # type: ignore[attr-defined]


def test_a_plugin_whose_options_raise_is_named(tmp_path: Path, circuit: Circuit) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN + "\n    def __post_init__(self):\n        1 / (self.times - 2)\n")
    with pytest.raises(kc.CompileError) as caught:
        parse_pipeline("nothing{times=2}", known_passes([plugin]))
    assert caught.value.diagnostics[0].code == "KC0807"
    assert "line 20" in caught.value.diagnostics[0].notes[0]


def test_facts_of_plugins_are_plain_and_reach_a_manifest(circuit: Circuit) -> None:
    class Says(Pass):
        """Says what numpy gave it."""

        name = "says"
        contract = Contract.BOUNDED

        def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
            log.count("devices", np.int64(3), np.int64(2))  # type: ignore[arg-type]
            log.fact("moved", np.ones(3, dtype=bool).sum())
            log.fact("worst", np.float32(np.inf))
            log.fact("all", [1, 2])  # type: ignore[arg-type]
            log.bounds["rate"] = np.array([np.inf])
            return circuit

    run = Pipeline([Says()]).run(circuit).runs[0]
    assert str(run) == "says: 3 -> 2 devices, moved 3, worst inf, all [1, 2]"
    record = json.loads(to_json(run.record()), parse_constant=pytest.fail)
    assert record["facts"] == {"devices": [3, 2], "moved": 3, "worst": "inf", "all": "[1, 2]"}
    assert record["bounds"] == {"rate": "inf"}


def test_a_bound_that_is_no_number_is_blamed_on_its_pass(circuit: Circuit) -> None:
    class Bound(Pass):
        name = "bound"
        contract = Contract.BOUNDED

        def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
            log.bounds["rate"] = "small"
            return circuit

    with pytest.raises(kc.CompileError) as caught:
        Pipeline([Bound()]).run(circuit)
    assert caught.value.diagnostics[0].code == "KC0806"


def test_a_folder_is_no_plugin(tmp_path: Path) -> None:
    with pytest.raises(kc.UsageError) as caught:
        known_passes([tmp_path])
    assert "Is a directory" in str(caught.value)


def test_a_plugin_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(kc.UsageError) as caught:
        known_passes([tmp_path / "none.py"])
    assert caught.value.diagnostics[0].code == "KC0501"
