"""From a checked module to a flat circuit: hierarchy unrolled as arrays, one step per statement, never per instance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from kcompile.diagnostics import CompileError, Reporter, Span
from kcompile.ir.circuit import Circuit, InstanceTable, NodeBank, NodeTable, Phase, SharedParam, Stimulus, Tie, Wave, frozen
from kcompile.ir.device import DeviceModel
from kcompile.ir.evaluate import MAX_ROWS, Evaluator, Frame, NodeIds, Numbers, Rows, fail
from kcompile.ir.hierarchy import Hierarchy
from kcompile.ir.model import ModelBuilder, read_interval, read_wave
from kcompile.ir.names import Path, Segment, take_rows
from kcompile.syntax import nodes
from kcompile.syntax.check_device import flatten
from kcompile.syntax.infer import word_type
from kcompile.syntax.load import Module
from kcompile.units import REAL

MAX_NODES = 1 << 26
MAX_INSTANCES = 1 << 26


@dataclass(frozen=True, eq=False)
class _Rail:
    nodes: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    conductance: np.ndarray | None
    path: Path
    span: Span


@dataclass(frozen=True, eq=False)
class Elaborated:
    """A circuit whose rails are not yet clamps, because their conductance follows from the node capacitances."""

    circuit: Circuit
    rails: tuple[_Rail, ...]


class Elaborator:
    """Elaborates one top circuit; collects what the statements add."""

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self._models = ModelBuilder()
        self._hierarchy = Hierarchy()
        self._banks: list[NodeBank] = []
        self._count = 1
        self._instances = 0
        self._initial: list[tuple[np.ndarray, np.ndarray, Span]] = []
        self._tables: list[InstanceTable] = []
        self._shared: list[SharedParam] = []
        self._phases: list[Phase] = []
        self._stimuli: list[Stimulus] = []
        self._rails: list[_Rail] = []
        self._shared_names: Counter[str] = Counter()
        self._driven: list[tuple[np.ndarray, Span]] = []
        self._inputs: list[tuple[np.ndarray, Span]] = []
        self._outputs: list[tuple[np.ndarray, Span]] = []
        self._ports: np.ndarray = np.zeros(0, dtype=np.int32)
        self._pdk: str | None = None

    def top(self, circuit: nodes.Circuit, module: Module, settings: Mapping[str, float]) -> Elaborated | None:
        """Flat circuit of a top, `settings` replacing scalar parameters of it; None after reports."""
        self._hierarchy.check_size(circuit, module)
        frame = Frame(1, (), {})
        for port in circuit.ports:
            frame.names[port.id] = NodeIds(self._add_bank(frame, port, ()))
        self._ports = np.arange(1, self._count, dtype=np.int32)  # the first nodes of all
        given = {name: Numbers(np.array([value])) for name, value in settings.items()}
        self._circuit(circuit, module, frame, None, given, top=True)
        if self._report.failed:
            return None
        initial = self._initial_voltages()
        if self._report.failed:
            return None
        flat = Circuit(circuit.name.id, NodeTable(tuple(self._banks), initial), tuple(self._tables), tuple(self._shared),
                       tuple(self._phases), tuple(self._stimuli), frozen(self._ports), _joined(self._inputs),
                       _joined(self._outputs), self._pdk, circuit.name.span)
        return Elaborated(flat, tuple(self._rails))

    # ---- one circuit, all its copies ----------------------------------------------------------------------------------

    def _circuit(self, circuit: nodes.Circuit, module: Module, frame: Frame, phase: int | None,
                 given: Mapping[str, Numbers], top: bool) -> None:
        for name, value in self._models.constants(module).items():
            frame.names.setdefault(name, Numbers(np.array([value])))
        counts: Counter[str] = Counter()
        for item in circuit.items:
            try:
                self._item(item, circuit, module, frame, phase, given, top, counts)
            except CompileError as error:
                for diagnostic in error.diagnostics:
                    self._report.add(diagnostic)
                if not isinstance(item, nodes.Instance | nodes.Phase | nodes.Initial | nodes.Input | nodes.Output):
                    return  # what follows may name what could not be made

    def _item(self, item: nodes.CircuitItem, circuit: nodes.Circuit, module: Module, frame: Frame, phase: int | None,
              given: Mapping[str, Numbers], top: bool, counts: Counter[str]) -> None:
        everywhere = Evaluator(frame, _copies(frame))
        match item:
            case nodes.Const():
                value = np.broadcast_to(everywhere.number(item.value), (frame.copies,))
                frame.names[item.name.id] = Numbers(value)
            case nodes.Param():
                frame.names[item.name.id] = self._param(item, frame, everywhere, given)
            case nodes.Nodes():
                self._nodes(item, frame, everywhere)
            case nodes.Drive():
                self._drive(item, circuit, frame, everywhere, top)
            case nodes.Initial():
                self._start(item, circuit, frame, everywhere, top)
            case nodes.Input() | nodes.Output() if top:
                into = self._inputs if isinstance(item, nodes.Input) else self._outputs
                for node in item.nodes:
                    ids = everywhere.node_list(node).reshape(-1)
                    if 0 in ids:
                        raise fail("KC0210", "`gnd` is neither an input nor an output", node.span)
                    into.append((ids, node.span))
            case nodes.Pdk() if top:
                self._pdk = item.name.id
            case nodes.Phase():
                self._phase(item, module, frame, everywhere, top, counts)
            case nodes.Instance():
                self._instance(item, module, frame, everywhere, phase, counts, "")

    def _phase(self, item: nodes.Phase, module: Module, frame: Frame, everywhere: Evaluator, top: bool,
               counts: Counter[str]) -> None:
        if not top:
            raise fail("KC0412", "a circuit with phases is a top circuit, it cannot be an instance", item.span,
                       "put the phases into the circuit that contains it")
        duration = float(everywhere.number(item.duration))
        if not 0.0 < duration < np.inf:
            raise fail("KC0423", f"a phase lasts a positive time, not {duration:g} s", item.duration.span)
        self._phases.append(Phase(item.name.id, duration, item.name.span))
        counts["." + item.name.id] += 1
        if counts[item.name.id]:
            raise self._taken(item.name)
        inner: Counter[str] = Counter()
        for instance in item.items:
            if isinstance(instance, nodes.Instance):
                try:
                    self._instance(instance, module, frame, everywhere, len(self._phases) - 1, inner, item.name.id)
                except CompileError as error:
                    for diagnostic in error.diagnostics:
                        self._report.add(diagnostic)

    def _param(self, item: nodes.Param, frame: Frame, everywhere: Evaluator, given: Mapping[str, Numbers]) -> Numbers:
        extents = tuple(everywhere.single(e, "an extent") for e in item.extents if not isinstance(e, nodes.Range))
        self._check_extents(extents, item.span, frame.copies)
        shape = (frame.copies, *extents)
        wanted = word_type(item.dimension, self._report)
        interval = read_interval(item, everywhere)
        value = given.get(item.name.id)
        if value is not None:
            if value.values.shape[1:] not in ((), extents):
                raise fail("KC0404", f"`{item.name.id}` has the shape {list(extents)}, the array passed to it has "
                           f"{list(value.values.shape[1:])}", item.name.span)
            values = np.broadcast_to(value.values.reshape(len(value.values), *(value.values.shape[1:] or (1,) * len(extents))),
                                     shape).astype(np.float64)
        elif item.default is None:
            raise fail("KC0417", f"the parameter `{item.name.id}` has no value", item.name.span,
                       "give it a default, or a value where the circuit is used")
        else:
            values = self._default(item, extents, frame, everywhere)
        wrong = ~interval.holds(values)
        if wrong.any():
            raise fail("KC0405", f"`{item.name.id}` = {values[wrong].flat[0]:.6g} lies outside {interval}", item.name.span)
        if value is not None and value.shared is not None:
            return value
        if wanted.integral:
            if np.any(values != np.round(values)):
                raise fail("KC0304", f"`{item.name.id}` is a whole number", item.name.span)
            return Numbers(values)
        if not np.all(np.isfinite(values)):
            return Numbers(values)
        name = ".".join([*(s.text if isinstance(s.text, str) else s.text[0] for s in frame.path), item.name.id])
        self._shared_names[name] += 1
        label = f"{name}#{self._shared_names[name]}" if self._shared_names[name] > 1 else name
        store = shape if frame.path else extents
        self._shared.append(SharedParam(label, store, wanted.dimension or REAL, interval, item.trainable,
                                        frozen(values.reshape(-1).copy()), item.name.span))
        return Numbers(values, label, np.arange(values.size).reshape(shape), item.trainable)

    def _default(self, item: nodes.Param, extents: tuple[int, ...], frame: Frame, everywhere: Evaluator) -> np.ndarray:
        assert item.default is not None
        if not isinstance(item.default, nodes.Array):
            value = everywhere.number(item.default)
            column = np.broadcast_to(value, (frame.copies,)).reshape(frame.copies, *(1 for _ in extents))
            return np.array(np.broadcast_to(column, (frame.copies, *extents)))
        leaves = flatten(item.default)
        if _shape(item.default) != extents:
            raise fail("KC0404", f"the list does not have the shape {list(extents)} of `{item.name.id}`", item.default.span)
        columns = [np.broadcast_to(everywhere.number(leaf), (frame.copies,)) for leaf in leaves]
        return np.stack(columns, axis=-1).reshape(frame.copies, *extents)

    # ---- nodes --------------------------------------------------------------------------------------------------------

    def _check_extents(self, extents: tuple[int, ...], span: Span, copies: int) -> None:
        size = float(copies)
        for extent in extents:
            if extent < 1:
                raise fail("KC0406", f"an extent is at least 1, not {extent}", span)
            size *= extent
        if size > MAX_NODES:
            raise fail("KC0406", f"{size:,.0f} elements are declared, at most {MAX_NODES:,} are taken", span)

    def _add_bank(self, frame: Frame, name: nodes.Name, extents: tuple[int, ...]) -> np.ndarray:
        each = int(np.prod(extents, dtype=np.int64))
        count = frame.copies * each
        if self._count + count > MAX_NODES:
            raise fail("KC0406", f"the circuit has more than {MAX_NODES:,} nodes", name.span)
        prefix = take_rows(frame.path, np.arange(count) // each) if frame.path else ()
        self._banks.append(NodeBank((*prefix, Segment(name.id, extents=extents)), self._count, count, name.span))
        ids = np.arange(self._count, self._count + count, dtype=np.int32).reshape(frame.copies, *extents)
        self._count += count
        return ids

    def _nodes(self, item: nodes.Nodes, frame: Frame, everywhere: Evaluator) -> None:
        for node in item.nodes:
            if node.alias is not None:
                frame.names[node.name.id] = NodeIds(everywhere.node_list(node.alias))
                continue
            extents = tuple(everywhere.single(e, "an extent") for e in node.extents if not isinstance(e, nodes.Range))
            self._check_extents(extents, node.span, frame.copies)
            ids = self._add_bank(frame, node.name, extents)
            frame.names[node.name.id] = NodeIds(ids)
            if item.rail is not None:
                self._rail(item.rail, ids, frame, everywhere)

    def _rail(self, rail: nodes.Rail, ids: np.ndarray, frame: Frame, everywhere: Evaluator) -> None:
        each = ids.size // frame.copies

        def column(expr: nodes.Expr) -> np.ndarray:
            return np.repeat(np.broadcast_to(everywhere.finite(expr), (frame.copies,)), each)

        lower, upper = column(rail.lower), column(rail.upper)
        conductance = column(rail.conductance) if rail.conductance is not None else None
        if np.any(lower >= upper):
            raise fail("KC0421", f"a rail goes from low to high, not from {lower[0]:g} V to {upper[0]:g} V", rail.span)
        if conductance is not None and np.any(conductance <= 0):
            raise fail("KC0421", "the clamp's conductance is positive", rail.span)
        self._rails.append(_Rail(ids.reshape(-1), lower, upper, conductance, self._banks[-1].path, rail.span))

    def _target(self, target: nodes.Name | nodes.Index, loops: nodes.Loops | None, frame: Frame,
                everywhere: Evaluator) -> tuple[np.ndarray, Rows]:
        """Nodes a `drive` or `initial` names, and the rows its value is evaluated over."""
        if loops is None:
            ids = everywhere.node_list(target)
            rows = _copies(frame).take(np.repeat(np.arange(frame.copies), ids.shape[1]))
            return ids.reshape(-1), rows
        rows = everywhere.expand(loops)
        return np.broadcast_to(Evaluator(frame, rows).node(target), (rows.count,)), rows

    def _is_port(self, target: nodes.Name | nodes.Index, circuit: nodes.Circuit) -> bool:
        name = target.id if isinstance(target, nodes.Name) else target.base.id
        return any(port.id == name for port in circuit.ports)

    def _drive(self, item: nodes.Drive, circuit: nodes.Circuit, frame: Frame, everywhere: Evaluator, top: bool) -> None:
        port = self._is_port(item.target, circuit)
        if port and not top:
            raise fail("KC0413", "a circuit that drives its own port cannot be an instance", item.span,
                       "drive the node where the circuit is used")
        ids, rows = self._target(item.target, item.loops, frame, everywhere)
        if np.any(ids == 0):
            raise fail("KC0409", "`gnd` is the reference and stays at 0 V", item.target.span)
        assert isinstance(item.value, nodes.Call)
        wave = read_wave(item.value, Evaluator(frame, rows), rows.count)
        self._driven.append((ids, item.target.span))
        self._stimuli.append(Stimulus(frozen(ids.astype(np.int32)), wave, item.span, inner=not port))

    def _start(self, item: nodes.Initial, circuit: nodes.Circuit, frame: Frame, everywhere: Evaluator, top: bool) -> None:
        if not top and self._is_port(item.target, circuit):
            raise fail("KC0413", "a circuit that sets the start of its own port cannot be an instance", item.span,
                       "set it where the circuit is used")
        ids, rows = self._target(item.target, item.loops, frame, everywhere)
        if np.any(ids == 0):
            raise fail("KC0409", "`gnd` is the reference and stays at 0 V", item.target.span)
        values = np.broadcast_to(Evaluator(frame, rows).finite(item.value), (rows.count,))
        self._initial.append((ids, values, item.span))

    def _name(self, node: int) -> str:
        return NodeTable(tuple(self._banks), np.zeros(self._count)).name(node)

    def _initial_voltages(self) -> np.ndarray:
        initial = np.zeros(self._count)
        driven = np.zeros(self._count, dtype=bool)
        for stimulus in self._stimuli:
            driven[stimulus.nodes] = True
        for node, span in _repeated(self._driven):
            self._report.error("KC0409", f"the node `{self._name(node)}` is driven twice", span,
                               hint="two sources on one node are a loop without resistance")
        for inputs, span in self._inputs:
            if driven[inputs].any():
                name = self._name(int(inputs[driven[inputs]][0]))
                self._report.error("KC0424", f"the input node `{name}` is driven, it has no initial voltage to set", span)
        for node, span in _repeated(self._inputs):
            self._report.error("KC0202", f"the node `{self._name(node)}` is an input twice", span)
        for ids, values, span in self._initial:
            if driven[ids].any():
                name = self._name(int(ids[driven[ids]][0]))
                self._report.error("KC0410", f"`{name}` is driven, its start follows from the waveform", span)
            initial[ids] = values
        return frozen(initial)

    # ---- instances ----------------------------------------------------------------------------------------------------

    def _instance(self, item: nodes.Instance, module: Module, frame: Frame, everywhere: Evaluator, phase: int | None,
                  counts: Counter[str], phase_name: str) -> None:
        declaration, owner = module.names[item.model.id]
        for rows in self._hierarchy.rows(item, frame, everywhere, module):
            self._bank(item, declaration, owner, frame, rows, phase, counts, phase_name)

    def _bank(self, item: nodes.Instance, declaration: object, owner: Module, frame: Frame, rows: Rows, phase: int | None,
              counts: Counter[str], phase_name: str) -> None:
        if self._instances + rows.count > MAX_INSTANCES:
            raise fail("KC0406", f"the circuit has more than {MAX_INSTANCES:,} instances", item.span)
        evaluator = Evaluator(frame, rows)
        path = self._path(item, frame, rows, evaluator, counts, phase_name)
        ends = [np.broadcast_to(evaluator.node(node), (rows.count,)) for node in item.nodes]
        if isinstance(declaration, nodes.Circuit):
            self._subcircuit(item, declaration, owner, rows, evaluator, path, ends, phase)
            return
        assert isinstance(declaration, nodes.Device)
        model = self._models.model(declaration, owner)
        self._instances += rows.count
        columns, ties, waves, fixed = self._columns(item, model, rows, evaluator)
        table_nodes = np.stack(ends, axis=1).astype(np.int32) if ends else np.zeros((rows.count, 0), dtype=np.int32)
        if phase is not None and model.has_charge:
            raise fail("KC0411", f"`{model.name}` stores charge and stands inside a phase", item.model.span,
                       "capacitors stand outside phases: charge stays when devices are switched")
        if rows.count:
            self._tables.append(InstanceTable(path, model, phase, frozen(table_nodes), columns, ties, waves, fixed, item.span,
                                              item.rows.starts[rows.folded] if item.rows else None))

    def _path(self, item: nodes.Instance, frame: Frame, rows: Rows, evaluator: Evaluator, counts: Counter[str],
              phase_name: str) -> Path:
        prefix = take_rows(frame.path, rows.copy) if frame.path else ()
        if phase_name:
            prefix = (*prefix, Segment(phase_name))
        folded = rows.folded if rows.folded is not None and len(np.unique(rows.folded)) > 1 else None
        if item.label is None:
            first = counts[item.model.id]
            counts[item.model.id] += 1 if folded is None else item.rows.count if item.rows else 1
            if counts["." + item.model.id]:
                raise self._taken(item.model)
            if folded is not None:  # the first run has the name of the device alone, a later one tells where it starts
                name = f"{item.model.id}[{first}]" if first else item.model.id
                return (*prefix, Segment(name, folded.reshape(-1, 1)))
            return (*prefix, _numbered(f"{item.model.id}[{first}]", item, frame, rows))
        text: str | tuple[str, ...] = item.label.id
        if item.label.column is not None and rows.folded is not None:
            text = tuple(item.label.column[k] for k in rows.folded) if folded is not None else item.label.column[rows.folded[0]]
        for label in {text} if isinstance(text, str) else set(text):
            counts["." + label] += 1
            if counts[label]:
                raise self._taken(item.label)
        if not item.indices:
            return (*prefix, _numbered(text, item, frame, rows))
        index = np.stack([np.broadcast_to(evaluator.whole(i), (rows.count,)) for i in item.indices
                          if not isinstance(i, nodes.Range)], axis=1)
        if isinstance(text, str) and len(np.unique(np.column_stack([rows.copy, index]), axis=0)) != len(index):
            raise fail("KC0202", f"two instances of the bank `{item.label.id}` have one subscript", item.label.span)
        return (*prefix, Segment(text, index))

    def _taken(self, name: nodes.Name) -> CompileError:
        return fail("KC0202", f"`{name.id}` is the name of instances of `{name.id}` without a label, and of nothing else",
                    name.span, hint="label them, or choose another name")

    def _columns(self, item: nodes.Instance, model: DeviceModel, rows: Rows, evaluator: Evaluator):
        """Parameter columns, ties, waves and frozen names of a bank."""
        given = {assignment.name.id: assignment for assignment in item.assignments}
        columns: dict[str, np.ndarray] = {}
        ties: dict[str, Tie] = {}
        waves: dict[str, Wave] = {}
        for param in model.params:
            assignment = given.get(param.name)
            if param.waveform is not None:
                call = assignment.value if assignment else param.waveform
                assert isinstance(call, nodes.Call)
                # A default waveform says constants of the device's own file; those are in its model.
                source = evaluator if assignment else self._models.evaluator(model)
                waves[param.name] = read_wave(call, source, rows.count)
                continue
            span = assignment.span if assignment else item.model.span
            if assignment is None:
                if param.default is None:
                    raise fail("KC0417", f"`{model.name}` needs a value for `{param.name}`", item.model.span,
                               f"write {{ {param.name} = ... }}")
                value: np.ndarray = np.asarray(param.default)
            else:
                stored = evaluator.stored(assignment.value)
                if stored is not None and stored.shared is not None and stored.storage is not None:
                    index = np.broadcast_to(stored.storage, (rows.count,)).astype(np.int32)
                    ties[param.name] = Tie(stored.shared, frozen(index))
                    value = stored.values
                else:
                    name = evaluator.reads_trainable(assignment.value)
                    if name is not None:
                        raise fail("KC0420", f"the trainable parameter `{name}` is passed on as it is, not computed with",
                                   assignment.value.span, "put the arithmetic into the law of the device")
                    value = evaluator.number(assignment.value)
            if not np.isfinite(value).all():
                raise fail("KC0422", f"`{param.name}` is not finite", span)
            wrong = ~param.interval.holds(value)
            if np.any(wrong):
                bad = np.broadcast_to(value, (max(rows.count, 1),))
                row = int(np.flatnonzero(np.broadcast_to(wrong, (max(rows.count, 1),)))[0])
                raise fail("KC0405", f"`{param.name}` = {bad[row]:.6g} lies outside its limits {param.interval}"
                           f"{rows.say(row) if rows.count else ''}", span)
            if param.integral and np.any(value != np.round(value)):
                raise fail("KC0304", f"`{param.name}` is a whole number", span)
            columns[param.name] = frozen(np.broadcast_to(value, (rows.count,)).view())
        trainable = {param.name for param in model.params if param.trainable}
        fixed = frozenset(name for name, assignment in given.items() if assignment.fixed and name in trainable)
        return columns, ties, waves, fixed

    def _subcircuit(self, item: nodes.Instance, circuit: nodes.Circuit, owner: Module, rows: Rows, evaluator: Evaluator,
                    path: Path, ends: list[np.ndarray], phase: int | None) -> None:
        if rows.count == 0:
            return
        if rows.count * max(len(circuit.items), 1) > MAX_ROWS:
            raise fail("KC0406", f"{rows.count:,} copies of `{circuit.name.id}` are too many", item.span)
        given: dict[str, Numbers] = {}
        arrays = {p.name.id for p in circuit.items if isinstance(p, nodes.Param) and p.extents}
        for assignment in item.assignments:
            name = assignment.name.id
            if name in arrays:
                given[name] = self._passed_array(assignment, evaluator, rows)
                continue
            stored = evaluator.stored(assignment.value)
            if stored is not None and stored.storage is not None:
                shape = (rows.count,)
                given[name] = replace(stored, values=np.broadcast_to(stored.values, shape),
                                      storage=np.broadcast_to(stored.storage, shape))
                continue
            trained = evaluator.reads_trainable(assignment.value)
            if trained is not None:
                raise fail("KC0420", f"the trainable parameter `{trained}` is passed on as it is, not computed with",
                           assignment.value.span)
            given[name] = Numbers(np.broadcast_to(evaluator.number(assignment.value), (rows.count,)))
        frame = Frame(rows.count, path, {})
        for port, ids in zip(circuit.ports, ends, strict=True):
            frame.names[port.id] = NodeIds(ids.astype(np.int32))
        self._circuit(circuit, owner, frame, phase, given, top=False)

    def _passed_array(self, assignment: nodes.Assignment, evaluator: Evaluator, rows: Rows) -> Numbers:
        assert isinstance(assignment.value, nodes.Name)
        whole = evaluator.array(assignment.value)
        picked = whole.values[rows.copy]
        return Numbers(picked, whole.shared, None if whole.storage is None else whole.storage[rows.copy], whole.trainable)


def _copies(frame: Frame) -> Rows:
    return Rows(frame.copies, np.arange(frame.copies))


def _numbered(text: str | tuple[str, ...], item: nodes.Instance, frame: Frame, rows: Rows) -> Segment:
    """Segment whose subscript counts the rows of each copy, if there are loops."""
    if item.loops is None or not item.loops.loops:
        return Segment(text)
    each = np.bincount(rows.copy, minlength=frame.copies)
    if np.all(each == each[0]):
        return Segment(text, extents=(max(int(each[0]), 1),))
    within = np.arange(rows.count) - np.repeat(np.cumsum(each) - each, each)
    return Segment(text, within.reshape(-1, 1))


def _joined(parts: list[tuple[np.ndarray, Span]]) -> np.ndarray:
    return frozen(np.concatenate([ids for ids, _ in parts]).astype(np.int32) if parts else np.zeros(0, dtype=np.int32))


def _repeated(parts: list[tuple[np.ndarray, Span]]) -> Iterator[tuple[int, Span]]:
    """The first node of each part that stands in it twice or in a part before."""
    every = np.concatenate([np.zeros(0, dtype=np.int64), *(ids for ids, _ in parts)])
    again = np.ones(len(every), dtype=bool)
    again[np.unique(every, return_index=True)[1]] = False
    stops = np.cumsum([len(ids) for ids, _ in parts])
    found = np.flatnonzero(again)
    part = np.searchsorted(stops, found, side="right")
    for k in np.unique(part, return_index=True)[1]:
        yield int(every[found[k]]), parts[int(part[k])][1]


def _shape(expr: nodes.Expr) -> tuple[int, ...] | None:
    if not isinstance(expr, nodes.Array):
        return ()
    inner = {_shape(item) for item in expr.items}
    only = next(iter(inner))
    return None if len(inner) > 1 or only is None else (len(expr.items), *only)
