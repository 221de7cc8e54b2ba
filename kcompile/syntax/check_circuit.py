"""Checks of one circuit that need no values: names, kinds, numbers of terminals and subscripts, dimensions."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from kcompile.diagnostics import Reporter, accepted, nearest
from kcompile.syntax import nodes
from kcompile.syntax.check_device import check_param, check_waveform, declare
from kcompile.syntax.functions import CONSTANTS
from kcompile.syntax.infer import ERROR, INTEGER, Inference, Type, word_type
from kcompile.syntax.load import Module
from kcompile.units import DIMENSIONS, TIME, VOLTAGE

VOLT = Type("number", VOLTAGE)


class CircuitChecker:
    """Checks one circuit of a module; `constants` are the types of the constants its file can say."""

    def __init__(self, circuit: nodes.Circuit, module: Module, constants: dict[str, Type], report: Reporter) -> None:
        self._circuit = circuit
        self._module = module
        self._constants = constants
        self._report = report
        self._taken: dict[str, nodes.Name] = {}
        self._types: dict[str, Type] = {}
        self._loops: dict[str, Type] = {}
        self._labels: dict[str, nodes.Name] = {}
        self._infer = Inference(report, self._lookup)

    def check(self) -> None:
        for port in self._circuit.ports:
            self._declare(port, Type("node"))
        for item in self._circuit.items:
            self._item(item, in_phase=False)

    def _declare(self, name: nodes.Name, found: Type) -> None:
        if declare(name, self._taken, self._report):
            self._types[name.id] = found

    def _item(self, item: nodes.CircuitItem, in_phase: bool) -> None:
        if in_phase and not isinstance(item, nodes.Instance):
            self._report.error("KC0425", "a phase holds instances only", item.span,
                               hint="declare it before the phase, in the circuit")
            return
        match item:
            case nodes.Const():
                self._declare(item.name, self._infer.infer(item.value))
            case nodes.Param():
                for extent in item.extents:
                    self._extent(extent)
                found = check_param(item, self._infer, self._report)
                if item.dimension.text == "waveform":
                    self._report.error("KC0311", "waveforms are parameters of devices only", item.span)
                self._declare(item.name, found)
            case nodes.Nodes():
                self._nodes(item)
            case nodes.Drive():
                self._with_loops(item.loops, lambda: self._drive(item))
            case nodes.Initial():
                self._with_loops(item.loops, lambda: self._initial(item))
            case nodes.Input() | nodes.Output():
                for node in item.nodes:
                    self._node_list(node)
            case nodes.Phase():
                self._infer.expect(item.duration, Type("number", TIME), "the duration of a phase")
                declare(item.name, self._labels, self._report)
                outside, self._labels = self._labels, {}  # `mix.w1` and `read.w1` are two banks
                for inner in item.items:
                    self._item(inner, in_phase=True)
                self._labels = outside
            case nodes.Instance():
                self._instance(item)

    def _extent(self, extent: nodes.Expr | nodes.Range) -> None:
        if isinstance(extent, nodes.Range):
            self._report.error("KC0404", "an extent is a number: `node a[10]`", extent.span)
        else:
            self._infer.expect(extent, INTEGER, "an extent")

    def _nodes(self, item: nodes.Nodes) -> None:
        for node in item.nodes:
            for extent in node.extents:
                self._extent(extent)
            if node.alias is not None:
                if node.extents or item.rail:
                    self._report.error("KC0404", "a name for other nodes has neither extents nor a rail", node.span)
                self._node_list(node.alias)
                self._declare(node.name, Type("nodes"))
            else:
                self._declare(node.name, Type("node", extents=len(node.extents)))
        if item.rail:
            self._infer.expect(item.rail.lower, VOLT, "the lower rail")
            self._infer.expect(item.rail.upper, VOLT, "the upper rail")
            if item.rail.conductance is not None:
                self._infer.expect(item.rail.conductance, Type("number", DIMENSIONS["conductance"]), "`g`")

    def _node_list(self, expr: nodes.Expr) -> None:
        found = self._infer.infer(expr)
        if found.kind not in ("node", "nodes", "error"):
            self._report.error("KC0210", f"nodes are expected here, not {'a ' * (found.kind == 'number')}{found}", expr.span)

    def _target(self, target: nodes.Name | nodes.Index) -> None:
        if isinstance(target, nodes.Name) and target.id == "gnd":
            self._report.error("KC0409", "`gnd` is the reference and stays at 0 V", target.span)
            return
        self._node_list(target)

    def _drive(self, item: nodes.Drive) -> None:
        self._target(item.target)
        check_waveform(item.value, VOLT, self._infer, self._report)

    def _initial(self, item: nodes.Initial) -> None:
        self._target(item.target)
        self._infer.expect(item.value, VOLT, "an initial voltage")

    def _with_loops(self, loops: nodes.Loops | None, inner) -> None:
        before = dict(self._loops)
        for loop in loops.loops if loops else ():
            source = loop.source
            if isinstance(source, nodes.Range):
                self._infer.expect(source.start, INTEGER, "a range's start")
                self._infer.expect(source.stop, INTEGER, "a range's end")
                found = INTEGER
            else:
                of = self._infer.infer(source)
                found = Type("node") if of.kind in ("node", "nodes") else ERROR
                if of.kind not in ("node", "nodes", "error"):
                    self._report.error("KC0210", "a loop runs over a range or over nodes", source.span,
                                       hint=f"write `0..{source.span.text}`" * (of.kind == "number"))
            name = loop.variable
            if name.id in self._taken:
                self._report.error("KC0202", f"`{name.id}` has a meaning in this circuit already", name.span,
                                   f"first at {self._taken[name.id].span}")
            elif name.id in self._loops:
                self._report.error("KC0202", f"`{name.id}` is the variable of two loops", name.span)
            else:
                declare(name, {}, self._report)
            self._loops[name.id] = found
        if loops and loops.condition is not None:
            self._infer.condition(loops.condition)
        inner()
        self._loops = before

    # ---- instances ----------------------------------------------------------------------------------------------------

    def _instance(self, item: nodes.Instance) -> None:
        name = item.model.id
        found = self._module.names.get(name)
        if found is None or isinstance(found[0], nodes.Const):
            models = [k for k, (d, _) in self._module.names.items() if not isinstance(d, nodes.Const)]
            code = "KC0201" if found is None and name not in self._taken else "KC0210"
            problem = "is not known here" if code == "KC0201" else "is neither a device nor a circuit"
            hint = nearest(name, models) or self._library_hint(name)
            self._report.error(code, f"`{name}` {problem}", item.model.span, hint=hint)
            model = None
        else:
            model = found[0]
        if item.label is not None:
            labels = item.label.column or (item.label.id,) * (item.rows.count if item.rows else 1)
            for label, count in Counter(labels).items():
                name = replace(item.label, id=label, column=None)
                self._label(name)
                if count > 1:
                    self._label(name)
        self._with_loops(item.loops, lambda: self._connections(item, model))

    def _library_hint(self, name: str) -> str:
        return f"the library may have it: `use std.passive: {name};`" if name in _PASSIVE else ""

    def _label(self, name: nodes.Name) -> None:
        if name.id in self._labels:
            self._report.error("KC0202", f"two instances are called `{name.id}`", name.span,
                               f"first at {self._labels[name.id].span}")
        self._labels.setdefault(name.id, name)

    def _connections(self, item: nodes.Instance, model: nodes.Device | nodes.Circuit | nodes.Const | None) -> None:
        for index in item.indices:
            if isinstance(index, nodes.Range):
                self._report.error("KC0404", "a label is indexed by numbers or loop variables", index.span)
            else:
                self._infer.expect(index, INTEGER, "a subscript")
        for node in item.nodes:
            found = self._infer.infer(node)
            if found.kind == "nodes":
                self._report.error("KC0404", "one node is expected here, this is a list of nodes", node.span,
                                   hint="pick one with a subscript, or loop over it: `for n in ...`")
            elif found.kind not in ("node", "error"):
                self._report.error("KC0210", "a node is expected here, this is "
                                   + ("a number" if found.kind == "number" else str(found)), node.span)
        if model is None or isinstance(model, nodes.Const):
            for assignment in item.assignments:
                if not isinstance(assignment.value, nodes.Call):
                    self._infer.infer(assignment.value)
            return
        terminals = model.terminals if isinstance(model, nodes.Device) else model.ports
        if len(terminals) != len(item.nodes):
            kind = "terminal" if isinstance(model, nodes.Device) else "port"
            self._report.error("KC0401", f"`{model.name.id}` has {len(terminals)} {kind}{'s' * (len(terminals) != 1)}, "
                               f"{len(item.nodes)} node{'s' * (len(item.nodes) != 1)} given", item.model.span,
                               hint=f"{model.name.id}({', '.join(t.id for t in terminals)})")
        params = {p.name.id: p for p in model.items if isinstance(p, nodes.Param)}
        given: dict[str, nodes.Name] = {}
        for assignment in item.assignments:
            self._assignment(assignment, params, model.name.id, given)

    def _assignment(self, item: nodes.Assignment, params: dict[str, nodes.Param], model: str,
                    given: dict[str, nodes.Name]) -> None:
        name = item.name
        if name.id in given:
            self._report.error("KC0202", f"`{name.id}` is given twice", name.span)
        given[name.id] = name
        param = params.get(name.id)
        if param is None:
            hint = nearest(name.id, params) or (accepted(params) if params else f"`{model}` has no parameters")
            self._report.error("KC0402", f"`{model}` has no parameter `{name.id}`", name.span, hint=hint)
            return
        quiet = Reporter()
        if param.dimension.text == "waveform":
            constants = Inference(quiet, lambda n: self._constants.get(n.id, ERROR))
            dimension = check_waveform(param.default, None, constants, quiet) if param.default is not None else None
            wanted = Type("number", dimension) if dimension is not None else None
            check_waveform(item.value, wanted, self._infer, self._report)
        elif param.extents:
            found = self._lookup(item.value) if isinstance(item.value, nodes.Name) else None
            if found is not None and found.kind == "number" and found.extents == len(param.extents):
                return
            self._report.error("KC0404", f"`{name.id}` is an array; name a parameter array of the same shape",
                               item.value.span)
        else:
            wanted = word_type(param.dimension, quiet)
            self._infer.expect(item.value, wanted, f"`{name.id}`")
        if item.fixed and not param.trainable:
            self._report.warn("KC0426", f"`{name.id}` is not trainable, `fixed` changes nothing", item.span)

    def _lookup(self, name: nodes.Name) -> Type:
        if name.column is not None:
            kinds = {self._lookup(replace(name, id=one, column=None)) for one in dict.fromkeys(name.column)}
            return next(iter(kinds)) if len(kinds) == 1 else ERROR
        for scope in (self._loops, self._types, self._constants):
            if name.id in scope:
                return scope[name.id]
        if name.id == "gnd":
            return Type("node")
        if name.id in self._taken:
            return ERROR
        if name.id in self._module.names:
            self._report.error("KC0210", f"`{name.id}` is a {_kind(self._module.names[name.id][0])}, not a value",
                               name.span)
            return ERROR
        later = [n for i in self._circuit.items for n in _declared(i)]
        hint = "it is declared further down; declare before use" if name.id in later else nearest(
            name.id, [*self._loops, *self._types, *self._constants, *CONSTANTS, "gnd"])
        self._report.error("KC0201", f"`{name.id}` is not known here", name.span, hint=hint)
        return ERROR


_PASSIVE = ("Resistor", "Capacitor", "Inductor", "Conductance")


def _kind(declaration: object) -> str:
    return type(declaration).__name__.lower()


def _declared(item: nodes.CircuitItem) -> list[str]:
    if isinstance(item, nodes.Nodes):
        return [node.name.id for node in item.nodes]
    return [item.name.id] if isinstance(item, nodes.Const | nodes.Param) else []
