"""What a sweep does at its points: simulations or trainings of one model, each a row of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kcompile.diagnostics import KcompileError, UsageError
from kcompile.files import sha256
from kcompile.sweep.points import Work, shown
from kcompile.sweep.table import Row

if TYPE_CHECKING:
    from kcompile.ir.circuit import Circuit
    from kcompile.train.recipe import Recipe


def _row(work: Work, draw: int | None, found: Callable[[], Mapping[str, float]]) -> Row:
    """A row; what goes wrong is its last cell."""
    point = {"point": work.first + (draw or 0), **{name: shown(value) for name, value in work.settings.items()}}
    if draw is not None:
        point["draw"] = draw
    try:
        return {**point, **found()}
    except KcompileError as error:
        first = error.diagnostics[0]
        return {**point, "failure": f"{first.code}: {first.message}"}


def _first(circuit: Callable[[Work], Circuit], works: Sequence[Work]) -> str:
    """Digest of the first circuit whose values lie within their limits; what else is wrong with it, or with a value of any point,
    is raised."""
    from kcompile.ir.assign import assign_settings, dimensions
    from kcompile.ir.printer import print_circuit

    first = next((found for work in works if (found := _within_limits(partial(circuit, work))) is not None), None)
    if first is None:
        first = circuit(works[-1])
    known = dimensions(first)
    for name, value in dict.fromkeys(pair for work in works for pair in work.settings.items()):
        if name in known:
            _within_limits(partial(assign_settings, first, {name: value}))
    return sha256(print_circuit(first))


def _within_limits(circuit: Callable[[], Circuit]) -> Circuit | None:
    """A circuit, None where a value is outside its limits, which is a matter of its point alone."""
    try:
        return circuit()
    except UsageError as error:
        if any(one.code != "KC0505" for one in error.diagnostics):
            raise
        return None


@dataclass(frozen=True, eq=False)
class Simulations:
    """Voltages of the outputs at the end. model, options: what `compile` takes; spreads, seed: what `draw` takes."""

    model: Any
    options: Mapping[str, Any]
    spreads: Mapping[str, str]
    seed: int
    until: float | None
    rtol: float | None

    def circuits(self, work: Work) -> Callable[[int | None], Circuit]:
        """The circuit of each draw, all from one compilation."""
        from kcompile import driver
        from kcompile.sweep.spread import draw

        @cache
        def compiled() -> Circuit:
            return driver.compile(self.model, **{**self.options, "settings": {**self.options["settings"], **work.settings}})

        return lambda number: compiled() if number is None else draw(compiled(), self.spreads, self.seed, number)

    def identity(self, works: Sequence[Work]) -> Mapping[str, str]:
        """Digests of the circuit and of what is done with it; raises what is wrong with all points."""
        circuit = _first(lambda work: self.circuits(work)(work.draws[0] if work.draws else None), works)
        return {"circuit": circuit, "sweep": sha256(repr((works, self.spreads, self.seed, self.until, self.rtol)))}

    def __call__(self, work: Work) -> list[Row]:
        from kcompile.driver import simulate

        circuit = self.circuits(work)

        def outputs(draw: int | None) -> Mapping[str, float]:
            waveforms = simulate(circuit(draw), until=self.until, points=2, rtol=self.rtol)
            return dict(zip(waveforms.outputs, map(float, waveforms.read_out), strict=True))

        return [_row(work, draw, partial(outputs, draw)) for draw in work.draws or (None,)]


@dataclass(frozen=True, eq=False)
class Trainings:
    """Figures of a training; names that a recipe has are its keys, others are set in the model.

    folder: where each training has a folder under the number of its point, in which an interrupted one goes on.
    """

    model: Any
    options: Mapping[str, Any]
    data: Any
    recipe: Recipe
    folder: Path | None

    def split(self, work: Work) -> tuple[Recipe, dict[str, str]]:
        """(recipe, settings of the model) of a point."""
        from kcompile.train.recipe import FIELDS, read_overrides, with_values

        keys = {name: value for name, value in work.settings.items() if name.partition(".")[0] in FIELDS}
        settings = {name: value for name, value in work.settings.items() if name not in keys}
        changes = read_overrides([f"{name}={value}" for name, value in keys.items()])
        return with_values(self.recipe, changes), {**self.options["settings"], **settings}

    def identity(self, works: Sequence[Work]) -> Mapping[str, str]:
        """Digests of circuit, recipe and data; raises what is wrong with all points."""
        from kcompile.driver import read_data
        from kcompile.train.need_torch import need_torch

        need_torch()
        recipes = [self.split(work)[0] for work in works]
        return {"circuit": _first(self.circuit, works), "sweep": sha256(repr((works, recipes))),
                "data": read_data(self.data, recipes[0]).digest}

    def circuit(self, work: Work) -> Circuit:
        """The circuit of a point before it is trained."""
        from kcompile import driver

        return driver.compile(self.model, **{**self.options, "settings": self.split(work)[1]})

    def __call__(self, work: Work) -> list[Row]:
        return [_row(work, None, partial(self._figures, work))]

    def _figures(self, work: Work) -> Mapping[str, float]:
        from kcompile.driver import train
        from kcompile.train.checkpoint import has_checkpoint

        out = None if self.folder is None else self.folder / f"{work.first:04d}"
        fit = train(self.circuit(work), self.data, self.split(work)[0], out=out, resume=out is not None and has_checkpoint(out))
        assert fit.report is not None and fit.best is not None  # nobody asked to stop
        figures = {f"{part}_{name}": value for part, (loss, score) in fit.report.trained.parts.items()
                   for name, value in (("loss", loss), (fit.report.figure, score))}
        return {"epochs": len(fit.history), "best_epoch": fit.best.epoch, **figures}
