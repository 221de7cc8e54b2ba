"""Training: a circuit, data and a recipe to a trained circuit, with everything it needs to go on in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from kcompile.diagnostics import Diagnostic, SimulatorFailed, UsageError, printable
from kcompile.files import sha256, write_files
from kcompile.ir.circuit import Circuit
from kcompile.ir.printer import print_circuit
from kcompile.train.augment import check_augmentation
from kcompile.train.checkpoint import read_checkpoint
from kcompile.train.clamp import clamp_note
from kcompile.train.data import Data, check_fit
from kcompile.train.encoding import Encoding, make_encoding
from kcompile.train.history import Record, best_of
from kcompile.train.initial_values import starting_values, unit_sizes
from kcompile.train.objective import Objective
from kcompile.train.recipe import RUN_RECIPE, Recipe, format_recipe
from kcompile.train.report import TrainingReport, examine
from kcompile.train.run import Run, Watch
from kcompile.train.run_folder import BEST, REPORT, format_report, held, write_epoch
from kcompile.train.team import find_team


@dataclass(frozen=True, eq=False)
class Fit:
    """A training as it ended: `finished`, `stopped early`, or `unfinished` where it was interrupted.

    circuit: with the weights of the best epoch; weights: these, by full name. report: None while it is unfinished, and in all
    processes but the first.
    """

    circuit: Circuit
    weights: Mapping[str, np.ndarray]
    history: tuple[Record, ...]
    status: str
    recipe: Recipe
    encoding: Encoding
    report: TrainingReport | None

    @property
    def best(self) -> Record | None:
        """The epoch that the weights are of."""
        return best_of(self.history)


def fit(circuit: Circuit, data: Data, recipe: Recipe, *, folder: Path | None = None, resume: bool = False,
        watch: Watch | None = None) -> Fit:
    """Train a circuit. folder: of the run, where its files and checkpoints go; resume: go on from the checkpoint there.

    Where torchrun started several processes, all call this with the same arguments. The first one reads and writes the folder
    and is looked on; an end is asked for by the watch of any.

    Raises `UsageError` KC0563, KC0567, KC0570 for what does not fit, KC0568 for a folder of another run, KC0569 for one without
    a checkpoint, KC0513 for one that cannot be written, KC0571 for processes that differ, `SimulatorFailed` KC0610 where the
    loss is no number, KC0611 where another process is gone.
    """
    recipe = recipe.resolved()
    team = find_team(recipe.device)
    check_fit(data, len(circuit.inputs), len(circuit.outputs), pair=recipe.readout == "differential")
    check_augmentation(recipe, data.image)
    if recipe.coarse and recipe.steps == 1:
        raise UsageError(Diagnostic("KC0567", "`coarse` takes half of the steps, and there is one of them", hint="steps = 2"))
    encoding = make_encoding(data, recipe)
    start = circuit.with_params(starting_values(circuit, recipe))
    if resume and folder is None:
        raise UsageError(Diagnostic("KC0569", "to resume, the folder of the run must be given", hint="-o RUN"))
    run = Run(start, data, recipe, Objective(recipe, encoding), unit_sizes(circuit, recipe), team)
    # Another backend adds in another order, so it would not go on to the same bits.
    identity = {"circuit": sha256(print_circuit(circuit)), "recipe": sha256(format_recipe(recipe)), "data": data.digest,
                "backend": run.module.backend}
    team.check_same(identity)
    if watch is not None and (note := clamp_note(circuit, recipe)):
        watch.note(note)
    place = folder if team.rank == 0 else None
    with held(place, resume), _threads(max(1, recipe.threads // team.neighbors)):
        if resume:
            for damage in _restore(run, place, identity):
                if watch is not None:
                    watch.note(f"left out: {damage}")
        if place is not None and not resume:
            write_files(place, {RUN_RECIPE: format_recipe(recipe)})
            run.save(place, identity)
        _train(run, place, identity, watch)
        if watch is not None and run.status != "unfinished":
            watch.over()
        weights = {name: value.cpu().numpy() for name, value in run.best.items()}
        trained = circuit.with_params(weights)
        report = examine(trained, data, run.objective) if run.status != "unfinished" and team.rank == 0 else None
        if report is not None and place is not None:
            write_files(place, {REPORT: format_report(run, data, report)})
    return Fit(trained, weights, run.history, run.status, recipe, encoding, report)


def _restore(run: Run, folder: Path | None, identity: Mapping[str, str]) -> tuple[str, ...]:
    """Put a run where its checkpoint is, of which the first process has the folder; what was wrong with the other checkpoint."""
    checkpoint, damaged = run.team.from_first(None if folder is None else read_checkpoint(folder))
    other = [kind for kind, digest in identity.items() if checkpoint.identity.get(kind) != digest]
    if other:
        said = " and another ".join(other)
        raise UsageError(Diagnostic("KC0568", f"{printable(str(folder or 'the folder'))} holds a training with another {said}",
                                    hint="a training goes on with exactly what it began with; another one needs another folder"))
    run.restore(checkpoint)
    return damaged


def _train(run: Run, folder: Path | None, identity: Mapping[str, str], watch: Watch | None) -> None:
    write_epoch(folder, run)
    while run.status == "unfinished":
        try:
            whole = run.epoch(folder, identity, watch)
        except SimulatorFailed as error:
            kept = best_of(run.history)
            if folder is None or kept is None:
                raise
            note = f"the weights of epoch {kept.epoch}, the best one, are in {printable(str(folder / BEST))}"
            raise SimulatorFailed(error.kind, *(replace(one, notes=(note,)) for one in error.diagnostics)) from None
        run.save(folder, identity)
        if not whole:
            run.team.any(False)  # torchrun ends all processes when one ends, so they wait until the checkpoint is written
            return
        write_epoch(folder, run)
        if watch is not None:
            watch.epoch(run.history[-1])


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """So many threads of torch inside; the number outside is left as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
