"""Canonical text back to the circuit it was printed from; every mistake in it is a located diagnostic."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kcompile.diagnostics import CompileError, Reporter, Source, Span, printable
from kcompile.ir.circuit import Circuit, InstanceTable, NodeBank, NodeTable, Phase, SharedParam, Stimulus, Tie, Wave, frozen
from kcompile.ir.device import DeviceModel, Interval
from kcompile.ir.evaluate import fail
from kcompile.ir.model import build_model
from kcompile.ir.names import Path, Segment
from kcompile.ir.printer import FORMAT
from kcompile.ir.structure import check_structure
from kcompile.ir.verify import InvalidCircuit
from kcompile.ir.waves import broken_rules
from kcompile.syntax.check_device import DeviceChecker
from kcompile.syntax.functions import RESERVED, WAVEFORMS
from kcompile.syntax.infer import Type
from kcompile.syntax.parse import parse_rule
from kcompile.units import REAL, Dimension, parse_unit

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SEGMENT = re.compile(r"(\*|[A-Za-z_]\w*(?:\[[0-9,]+\])?)(?:#([0-9]+)|:([0-9]+(?:x[0-9]+)*))?", re.ASCII)
_SHARED = re.compile(r"[A-Za-z_]\w*(?:\[[0-9]+\])?(?:\.[A-Za-z_]\w*(?:\[[0-9]+\])?)*(?:#[0-9]+)?", re.ASCII)
_INTERVAL = re.compile(r"([\[(])([^,\s]+),([^,\s]+)([\])])")

MAX_COLUMN = 1 << 26


def is_canonical(source: Source) -> bool:
    """Whether a text is canonical IR and not a program."""
    return source.text.startswith(FORMAT)


@dataclass(frozen=True)
class _Line:
    """Cells of one line with its continuation lines, and its place."""

    cells: list[str]
    span: Span

    def fail(self, message: str) -> CompileError:
        return fail("KC0517", message, self.span, "canonical text is written by `--target ir`; change the .kc program instead")

    def sized(self, count: int, form: str) -> _Line:
        """The line itself; raises where it does not have as many cells as its form."""
        if len(self.cells) != count:
            raise self.fail(f"a line of this kind is `{form}`")
        return self


def read_circuit(source: Source) -> Circuit:
    """Circuit of a canonical text; raises `CompileError` KC0517 for what is not one."""
    return _Reader(source).circuit()


class _Reader:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._models: list[DeviceModel] = []
        self._lines = list(self._read_lines())
        self._at = 0

    # ---- lines --------------------------------------------------------------------------------------------------------

    def _read_lines(self) -> Iterator[_Line]:
        text = self._source.text
        offset = 0
        held: list[str] = []
        start = stop = 0
        constants: dict[str, tuple[float, Dimension | None]] = {}
        lines = iter(text.split("\n"))
        for line in lines:
            here, offset = offset, offset + len(line) + 1
            if line.startswith("  "):
                held += line.split()
                continue
            if held:
                yield _Line(held, Span(self._source, start, stop))
                held = []
            if line.startswith("device "):
                body = [line]
                for line in lines:
                    body.append(line)
                    offset += len(line) + 1
                    if line == "}":
                        break
                self._model(here, "\n".join(body), constants)
                constants = {}
            elif line.startswith("const "):
                self._constant(_Line(line.split(), Span(self._source, here, here + len(line))), constants)
            else:
                held, start, stop = line.split(), here, here + len(line)
        if held:
            yield _Line(held, Span(self._source, start, stop))

    def _constant(self, line: _Line, constants: dict[str, tuple[float, Dimension | None]]) -> None:
        if len(line.cells) not in (3, 4) or not _NAME.fullmatch(line.cells[1]) or line.cells[1] in RESERVED:
            raise line.fail("a constant is `const NAME VALUE UNIT`, without a unit where it fits every dimension")
        dimension = self._dimension(line, line.cells[3]) if line.cells[3:] else None
        value = self._float(line, line.cells[2])
        if math.isnan(value):
            raise line.fail("a constant is a number")
        constants[line.cells[1]] = value, dimension

    def _dimension(self, line: _Line, unit: str) -> Dimension:
        try:
            factor, dimension = parse_unit("" if unit == "1" else unit)
        except ValueError:
            factor, dimension = 0.0, REAL
        if factor != 1.0:
            raise line.fail(f"`{printable(unit, 40)}` is not a unit of the SI")
        return dimension

    def _model(self, start: int, text: str, constants: dict[str, tuple[float, Dimension | None]]) -> None:
        # The text before is blanked, so that places in the device are places in the file.
        source = Source(self._source.name, re.sub(r"[^\n]", " ", self._source.text[:start]) + text)
        device = parse_rule(source, "device")
        report = Reporter()
        types = {name: Type("number", dimension, integral=value.is_integer()) for name, (value, dimension) in constants.items()}
        DeviceChecker(device, types, report).check()
        report.raise_errors()
        self._models.append(build_model(device, {name: value for name, (value, _) in constants.items()},
                                        {name: dimension for name, (_, dimension) in constants.items()}))

    def _next(self, word: str) -> _Line:
        line = self._peek()
        if line is None or line.cells[0] != word:
            end = len(self._source.text)
            place = line or _Line([], Span(self._source, max(end - 1, 0), end))
            raise place.fail(f"a line `{word} ...` is expected here")
        self._at += 1
        return line

    def _peek(self) -> _Line | None:
        return self._lines[self._at] if self._at < len(self._lines) else None

    def _all(self, word: str) -> Iterator[_Line]:
        while (line := self._peek()) is not None and line.cells[0] == word:
            self._at += 1
            yield line

    # ---- values -------------------------------------------------------------------------------------------------------

    def _float(self, line: _Line, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise line.fail(f"`{printable(text, 40)}` is not a number") from None

    def _whole(self, line: _Line, text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
            raise line.fail(f"`{printable(text, 40)}` is not a whole number")
        return int(text)

    def _name(self, line: _Line, place: int, pattern: re.Pattern[str] = _NAME) -> str:
        if place >= len(line.cells) or not pattern.fullmatch(line.cells[place]):
            raise line.fail("a name is expected here")
        return line.cells[place]

    def _column(self, line: _Line, skip: int, dtype: type, count: int | None = None) -> np.ndarray:
        cells = line.cells[skip:]
        if cells == ["none"]:
            values = np.zeros(0)
        elif len(cells) == 3 and cells[1] == "*":
            repeat = self._whole(line, cells[0])
            if repeat > MAX_COLUMN:
                raise line.fail(f"a column has at most {MAX_COLUMN:,} values")
            values = np.full(repeat, self._float(line, cells[2]))
        elif len(cells) == 1 and (match := re.fullmatch(r"([0-9]{1,9})\.\.([0-9]{1,9})", cells[0])):
            if not 0 <= int(match[2]) - int(match[1]) <= MAX_COLUMN:
                raise line.fail(f"a column has 0 to {MAX_COLUMN:,} values")
            values = np.arange(int(match[1]), int(match[2]), dtype=np.float64)
        else:
            try:
                values = np.array(list(map(float, cells)))
            except ValueError:
                raise line.fail("a column holds numbers only") from None
        if count is not None and len(values) != count:
            raise line.fail(f"{count} values are expected, {len(values)} given")
        if dtype is np.int32 and (np.any(values != np.floor(values)) or np.any(np.abs(values) >= 2**31)):
            raise line.fail("whole numbers are expected")
        return frozen(values.astype(dtype))

    def _path(self, line: _Line, text: str, count: int) -> Path:
        segments = []
        for part in text.split("/"):
            match = _SEGMENT.fullmatch(part)
            if match is None:
                raise line.fail(f"`{printable(part, 60)}` is not a part of a name")
            names: str | tuple[str, ...] = match[1]
            if names == "*":
                names = tuple(self._next("names").cells[1:])
                if len(names) != count or not all(_NAME.fullmatch(name) for name in names):
                    raise line.fail(f"{count} names are expected")
            index = None
            if match[2] is not None:
                columns = [self._column(self._next("index"), 1, np.int32, count) for _ in range(self._whole(line, match[2]))]
                index = np.stack(columns, axis=1) if columns else None
            extents = tuple(self._whole(line, e) for e in match[3].split("x")) if match[3] else ()
            if any(extent < 1 for extent in extents):
                raise line.fail("an extent is at least 1")
            segments.append(Segment(names, index, extents))
        return tuple(segments)

    def _interval(self, line: _Line, text: str) -> Interval:
        match = _INTERVAL.fullmatch(text)
        if match is None:
            raise line.fail(f"`{printable(text, 60)}` is not an interval")
        return Interval(self._float(line, match[2]), self._float(line, match[3]), match[1] == "[", match[4] == "]")

    # ---- the circuit --------------------------------------------------------------------------------------------------

    def circuit(self) -> Circuit:
        first_line = self._next("kcir")
        if first_line.span.text != FORMAT:
            raise first_line.fail(f"the first line is `{FORMAT}`")
        head = self._next("circuit").sized(2, "circuit NAME")
        pdk = [self._name(line.sized(2, "pdk NAME"), 1) for line in self._all("pdk")]
        outlined = [line.sized(1, "outlined") for line in self._all("outlined")]
        phases = [Phase(self._name(line, 1), self._float(line.sized(3, "phase NAME SECONDS"), line.cells[-1]), line.span)
                  for line in self._all("phase")]
        banks, first = [], 1
        for line in self._all("nodes"):
            count = self._whole(line.sized(3, "nodes PATH COUNT"), line.cells[-1])
            banks.append(NodeBank(self._path(line, line.cells[1], count), first, count, line.span))
            first += count
        initial = self._column(self._next("initial"), 1, np.float64, first)
        lists = {word: self._column(self._next(word), 1, np.int32) for word in ("ports", "inputs", "outputs")}
        shared = tuple(self._shared(line) for line in self._all("shared"))
        stimuli = tuple(self._stimulus(line) for line in self._all("drive"))
        values = {one.name: one.values for one in shared}
        tables = tuple(self._table(line, values) for line in self._all("bank"))
        rest = self._peek()
        if rest is not None:
            raise rest.fail(f"`{printable(rest.cells[0], 40)}` is not expected here")
        try:
            circuit = Circuit(self._name(head, 1), NodeTable(tuple(banks), initial), tables, shared, tuple(phases), stimuli,
                              lists["ports"], lists["inputs"], lists["outputs"], pdk[0] if pdk else None, head.span,
                              bool(outlined))
        except InvalidCircuit as error:
            raise head.fail(printable(str(error), 400)) from None
        report = Reporter()
        check_structure(circuit, report)
        report.raise_errors()
        return circuit

    def _shared(self, line: _Line) -> SharedParam:
        if len(line.cells) not in (5, 6):
            raise line.fail("a shared parameter is `shared NAME SHAPE UNIT INTERVAL [trainable]`")
        _, _, extents, unit, interval = line.cells[:5]
        shape = tuple(self._whole(line, e) for e in extents.split("x"))
        dimension = self._dimension(line, unit)
        values = self._column(self._next("values"), 1, np.float64, int(np.prod(shape)))
        return SharedParam(self._name(line, 1, _SHARED), shape, dimension, self._interval(line, interval),
                           line.cells[5:] == ["trainable"], values, line.span)

    def _wave(self, line: _Line, kind: str, width: str, count: int) -> Wave:
        if kind not in WAVEFORMS:
            raise line.fail(f"`{printable(kind, 40)}` is not a waveform")
        wanted = len(WAVEFORMS[kind].arguments)
        given = self._whole(line, width)
        if given > 4096 or (wanted and given != wanted) or (not wanted and (given < 2 or given % 2)):
            raise line.fail(f"`{kind}` does not take {given} arguments")
        columns = [self._column(self._next("argument"), 1, np.float64, count) for _ in range(given)]
        arguments = np.stack(columns, axis=1)
        for name, rule in broken_rules(kind, arguments):
            raise line.fail(f"`{name}` of `{kind}` {rule}" if name else rule)
        return Wave(kind, frozen(arguments))

    def _stimulus(self, line: _Line) -> Stimulus:
        if len(line.cells) != 4 or line.cells[1] not in ("inner", "port"):
            raise line.fail("a source is `drive inner|port KIND ARGUMENTS`")
        on = self._column(self._next("on"), 1, np.int32)
        return Stimulus(on, self._wave(line, line.cells[2], line.cells[3], len(on)), line.span, line.cells[1] == "inner")

    def _table(self, line: _Line, shared: dict[str, np.ndarray]) -> InstanceTable:
        cells = line.cells
        if len(cells) < 7 or cells[3] != "model" or cells[5] != "phase" or cells[7:8] not in ([], ["fixed"]):
            raise line.fail("a bank is `bank NAME COUNT model I phase K|always [fixed NAMES]`")
        count, place = self._whole(line, cells[2]), self._whole(line, cells[4])
        if place >= len(self._models):
            raise line.fail(f"there is no model {place}")
        model = self._models[place]
        path = self._path(line, cells[1], count)
        ends = [self._column(self._next("terminal"), 1, np.int32, count) for _ in model.terminals]
        params: dict[str, np.ndarray] = {}
        ties: dict[str, Tie] = {}
        waves: dict[str, Wave] = {}
        for param in model.params:
            value = self._peek()
            if value is None or value.cells[0] not in ("param", "tie", "wave") or value.cells[1:2] != [param.name]:
                raise (value or line).fail(f"a line for the parameter `{param.name}` is expected here")
            self._at += 1
            if value.cells[0] == "param":
                params[param.name] = self._column(value, 2, np.float64, count)
            elif value.cells[0] == "wave" and len(value.cells) == 4:
                waves[param.name] = self._wave(value, value.cells[2], value.cells[3], count)
            else:
                tied = self._name(value, 2, _SHARED)
                index = self._column(value, 3, np.int32, count)
                if tied not in shared or (count and not 0 <= index.min() <= index.max() < len(shared[tied])):
                    raise value.fail(f"`{tied}` has no such values")
                ties[param.name] = Tie(tied, index)
                params[param.name] = frozen(shared[tied][index])
        nodes = frozen(np.stack(ends, axis=1) if ends else np.zeros((count, 0), dtype=np.int32))
        phase = None if cells[6] == "always" else self._whole(line, cells[6])
        return InstanceTable(path, model, phase, nodes, params, ties, waves, frozenset(cells[8:]), line.span)
