"""The state of a training and its steps: mini-batches, gradients, the best weights, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch.func import functional_call
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from kcompile.diagnostics import Diagnostic, SimulatorFailed
from kcompile.ir.circuit import Circuit
from kcompile.pdk.mismatch import Lot, make_lot
from kcompile.train.augment import draw_motions, move
from kcompile.train.checkpoint import Checkpoint, write_checkpoint
from kcompile.train.circuit_module import CircuitModule, Trajectory
from kcompile.train.data import Data, Part
from kcompile.train.grid import grids_of, rounded
from kcompile.train.history import Record, best_of
from kcompile.train.judge import blown_node, judge_sums, make_module, start_volts, tensors_of
from kcompile.train.objective import Objective
from kcompile.train.optimizer import learning_rate, make_optimizer
from kcompile.train.recipe import Recipe
from kcompile.train.specimens import set_values, specimen_values
from kcompile.train.team import Team


class Watch(Protocol):
    """What looks on, and may ask for an end."""

    def note(self, text: str) -> None:
        """Called with what is worth knowing before the first step."""
        ...

    def step(self, done: int, total: int, loss: float, rate: float) -> bool:
        """Called after each step of the optimizer; whether to stop here."""
        ...

    def over(self) -> None:
        """Called when the training is over and its report begins; nothing is lost from here on."""
        ...

    def epoch(self, record: Record) -> None:
        """Called after each epoch, when its files are written."""
        ...


class Run:
    """A training from its start or from a checkpoint. Random numbers are functions of the seed, the epoch and the batch.

    Every process of a team holds the same state; it runs its share of each batch, and all add up their gradients.
    """

    def __init__(self, circuit: Circuit, data: Data, recipe: Recipe, objective: Objective, units: Mapping[str, float],
                 team: Team) -> None:
        self.circuit, self.data, self.recipe, self.objective, self.team = circuit, data, recipe, objective, team
        self.module = make_module(circuit, recipe)
        self._lot = make_lot(circuit) if recipe.mismatch else None
        run = circuit if self._lot is None else self._lot.circuit
        self._fine = self.module if self._lot is None else make_module(run, recipe)
        self._coarse = make_module(run, replace(recipe, steps=-(-recipe.steps // 2))) if recipe.coarse else self._fine
        self.parameters = dict(self.module.named_parameters())
        self._units = [units[name] for name in self.parameters]
        # What the optimizer moves: parameters in their units, so that one rate suits microsiemens and volts.
        self._moved = [(one.detach() / unit).requires_grad_()
                       for one, unit in zip(self.parameters.values(), self._units, strict=True)]
        self._optimizer = make_optimizer(recipe, self._moved)
        self._grids = grids_of(circuit, recipe)
        self.history: tuple[Record, ...] = ()
        self.best = self._values()
        self.at = 0
        self._sums = np.zeros(2)
        self._seen = 0
        self._seconds = 0.0
        self._generation = 0
        self._saved = time.monotonic()

    @property
    def steps_of_epoch(self) -> int:
        return -(-self.data.train.count // self.recipe.batch)

    @property
    def status(self) -> str:
        """`finished`, `stopped early`, or `unfinished`."""
        best = best_of(self.history)
        if self.recipe.patience and best is not None and len(self.history) - best.epoch >= self.recipe.patience:
            return "stopped early"
        return "finished" if len(self.history) >= self.recipe.epochs else "unfinished"

    # ---- checkpoints --------------------------------------------------------------------------------------------------

    def checkpoint(self, identity: Mapping[str, str]) -> Checkpoint:
        """Everything there is to know of the training at this instant."""
        state = self._optimizer.state_dict()
        tensors = {f"parameter/{name}": value for name, value in self._values().items()}
        tensors |= {f"best/{name}": value for name, value in self.best.items()}
        plain: dict[str, dict[str, Any]] = {}
        for index, entries in state["state"].items():
            for key, value in entries.items():
                if isinstance(value, torch.Tensor):
                    tensors[f"optimizer/{index}/{key}"] = value
                else:
                    plain.setdefault(str(index), {})[key] = value
        return Checkpoint(identity, self.at, float(self._sums[0]), float(self._sums[1]), self._seen, self._seconds, self.history,
                          tensors, {"groups": state["param_groups"], "state": plain}, self._generation)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of the same training."""
        self.at, self._seen, self._seconds = checkpoint.step, checkpoint.seen, checkpoint.seconds
        self._sums[:] = checkpoint.loss, checkpoint.score
        self.history, self._generation = checkpoint.history, checkpoint.generation
        self.best = checkpoint.part("best")
        with torch.no_grad():
            for name, value in checkpoint.part("parameter").items():
                self.parameters[name].copy_(value)
        self._take_parameters()
        state: dict[int, dict[str, Any]] = {int(index): dict(entries) for index, entries in checkpoint.settings["state"].items()}
        for name, value in checkpoint.part("optimizer").items():
            index, _, key = name.partition("/")
            state.setdefault(int(index), {})[key] = value
        self._optimizer.load_state_dict({"state": state, "param_groups": checkpoint.settings["groups"]})

    def save(self, folder: Path | None, identity: Mapping[str, str]) -> None:
        """Write a checkpoint, where there is a folder for it."""
        if folder is not None:
            self._generation = write_checkpoint(folder, self.checkpoint(identity)).generation
        self._saved = time.monotonic()

    def _values(self) -> dict[str, torch.Tensor]:
        return {name: value.detach().clone() for name, value in self.parameters.items()}

    @property
    def _trained(self) -> CircuitModule:
        """What the present epoch runs. Coarse steps are twice as fast, and as good while the weights are far from their end."""
        return self._coarse if len(self.history) < round(self.recipe.coarse * self.recipe.epochs) else self._fine

    # ---- steps --------------------------------------------------------------------------------------------------------

    def epoch(self, folder: Path | None, identity: Mapping[str, str], watch: Watch | None) -> bool:
        """Train to the end of an epoch; False where the watch asked to stop before."""
        began = len(self.history) * self.steps_of_epoch
        order = np.random.default_rng([self.recipe.seed, 1, len(self.history)]).permutation(self.data.train.count)
        rate = self._rate(max(self.at - 1, 0))
        while self.at < began + self.steps_of_epoch:
            start = time.monotonic()
            batch = self.at - began
            rate = self._rate(self.at)
            loss = self._step(order[batch * self.recipe.batch : (batch + 1) * self.recipe.batch], batch, rate)
            self.at += 1
            self._seconds += time.monotonic() - start
            asked = watch is not None and watch.step(self.at, self.recipe.epochs * self.steps_of_epoch, loss, rate)
            if self.team.any(asked):
                return False
            if time.monotonic() - self._saved > self.recipe.checkpoint_every and batch + 1 < self.steps_of_epoch:
                self.save(folder, identity)
        start = time.monotonic()
        validation = self._judge()
        if validation[0] is not None and not math.isfinite(validation[0]):
            inputs, _ = tensors_of(self.data.validation)
            raise self._diverged(self.module, validation[0], start_volts(self.objective, inputs), "at its validation")
        self._seconds += time.monotonic() - start
        record = Record(len(self.history) + 1, rate, float(self._sums[0]) / self._seen,
                        self.objective.result(float(self._sums[1]), self._seen), *validation, self._seconds)
        self._sums[:], self._seen = 0.0, 0
        self.history = (*self.history, record)
        if best_of(self.history) is record:
            with rounded(self.parameters, self._grids):
                self.best = self._values()
        return True

    def _rate(self, step: int) -> float:
        return learning_rate(self.recipe, step, self.steps_of_epoch)

    def _judge(self) -> tuple[float | None, float | None]:
        """(mean loss, figure) of the validation part, the mean over specimens where there are any; None where it is empty."""
        part = self.data.validation
        own = self.team.share(part.count)
        with rounded(self.parameters, self._grids):
            sums = self._judge_sums(Part(part.inputs[own], part.targets[own]))
        loss, score = self.team.sum(torch.tensor(sums, dtype=torch.float64)).tolist()
        return (None, None) if part.count == 0 else (loss / part.count, self.objective.result(score, part.count))

    def _judge_sums(self, part: Part) -> tuple[float, float]:
        if self._lot is None or self.recipe.specimens == 0:
            return judge_sums(self.module, self.circuit, self.objective, part)
        sums = []
        for number in range(self.recipe.specimens):
            set_values(self._fine, self._drawn(self._lot, (self.recipe.split_seed, 4, number), self.parameters))
            sums.append(judge_sums(self._fine, self.circuit, self.objective, part))
        loss, score = np.mean(sums, axis=0)
        return float(loss), float(score)

    def _drawn(self, lot: Lot, key: tuple[int, ...], values: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Values on a specimen of the lot, which is a function of its key."""
        like = next(iter(self.parameters.values()))
        return specimen_values(lot, lot.normals(key), values, like, self.recipe.mismatch)

    def _samples(self, rows: np.ndarray, batch: int, own: slice = slice(None)) -> tuple[torch.Tensor, torch.Tensor]:
        """Starting voltages and targets of a batch or of a part of it; a sample moves the same way in any part."""
        inputs, targets = tensors_of(self.data.train, rows[own])
        if self.data.image is not None and self.recipe.augmentation:
            rng = np.random.default_rng([self.recipe.seed, 2, len(self.history), batch])
            inputs = move(inputs, self.data.image, draw_motions(len(rows), self.data.image, self.recipe, rng)[own])
        volts = start_volts(self.objective, inputs)
        if self.recipe.noise:
            rng = np.random.default_rng([self.recipe.seed, 5, len(self.history), batch])
            volts = volts + self.recipe.noise * torch.from_numpy(rng.standard_normal((len(rows), volts.shape[1]))[own]).to(volts)
        return volts, targets.to(self.recipe.device)

    def gradients(self, rows: np.ndarray, batch: int) -> tuple[float, float]:
        """(mean loss, sum of scores) of a batch, whose mean gradient is then that of the parameters, in every process."""
        own = self.team.share(len(rows))
        count = own.stop - own.start
        # A process that got no sample of a small batch runs the first one, which then counts for nothing.
        volts, targets = self._samples(rows, batch, own if count else slice(1))
        self.module.zero_grad()
        outputs, excess = self._outputs(volts, batch)
        loss = (self.objective.loss(outputs, targets) + excess) * (count / len(rows))
        loss.backward()
        found = [one.grad for one in self.parameters.values() if one.grad is not None]
        if self.team.count > 1 and found:
            total = self.team.sum(torch.cat([one.flatten() for one in found]))
            for one, part in zip(found, total.split([one.numel() for one in found]), strict=True):
                one.copy_(part.view_as(one))
        score = self.objective.score(outputs.detach(), targets) if count else 0.0
        mean, scores = self.team.sum(torch.tensor([float(loss.detach()), score], dtype=torch.float64)).tolist()
        return mean, scores

    def _running(self, batch: int) -> dict[str, torch.Tensor]:
        """Values of the parameters of `_trained` in a batch of the present epoch."""
        values: dict[str, torch.Tensor] = {**self.parameters}
        if len(self.history) >= round((1 - self.recipe.rounded) * self.recipe.epochs):
            values |= {name: grid(values[name]) for name, grid in self._grids.items()}
        return values if self._lot is None else self._drawn(self._lot, (self.recipe.seed, 3, len(self.history), batch), values)

    def _outputs(self, volts: torch.Tensor, batch: int) -> tuple[torch.Tensor, torch.Tensor | float]:
        """Output voltages of a batch, and what voltages beyond the span cost, as the present epoch runs."""
        module, values = self._trained, self._running(batch)
        if self.recipe.span is None:
            plain = module is self.module and not self._grids
            return (module(volts) if plain else functional_call(module, values, (volts,))), 0.0
        whole = functional_call(Trajectory(module), {f"module.{name}": value for name, value in values.items()}, (volts,))
        excess = torch.relu(whole.abs() - self.recipe.span).square().mean()
        return whole[:, -1, self.circuit.outputs - 1], self.recipe.span_cost * excess

    def _step(self, rows: np.ndarray, batch: int, rate: float) -> float:
        loss, score = self.gradients(rows, batch)
        for moved, parameter, unit in zip(self._moved, self.parameters.values(), self._units, strict=True):
            moved.grad = None if parameter.grad is None else parameter.grad.mul_(unit)
        norm = get_total_norm([moved.grad for moved in self._moved if moved.grad is not None])
        if not (math.isfinite(loss) and torch.isfinite(norm)):
            if self._trained is not self.module:
                set_values(self._trained, self._running(batch))
            raise self._diverged(self._trained, loss, self._samples(rows, batch)[0], f"batch {batch + 1}")
        clip_grads_with_norm_(self._moved, self.recipe.clip or math.inf, norm)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        with torch.no_grad():
            for moved, parameter, unit in zip(self._moved, self.parameters.values(), self._units, strict=True):
                torch.mul(moved, unit, out=parameter)
        self.module.project_()
        self._take_parameters()
        self._sums += loss * len(rows), score
        self._seen += len(rows)
        return loss

    def _take_parameters(self) -> None:
        """The optimizer sees what the limits left of its step."""
        with torch.no_grad():
            for moved, parameter, unit in zip(self._moved, self.parameters.values(), self._units, strict=True):
                torch.div(parameter, unit, out=moved)

    def _diverged(self, module: CircuitModule, loss: float, volts: torch.Tensor, where: str) -> SimulatorFailed:
        where = f"in epoch {len(self.history) + 1}, {where}"
        found = blown_node(module, self.circuit, volts)
        if found is not None:
            what = f"node `{found[0]}` is the first whose voltage is no finite number, after {found[1]:.4g} s"
        else:
            name = next((name for name, value in self.parameters.items()
                         if value.grad is not None and not torch.isfinite(value.grad).all()), None)
            what = f"the gradient of `{name}` is not finite" if name else "voltages and gradients are finite"
        return SimulatorFailed("diverged", Diagnostic(
            "KC0610", f"the training diverged {where}: the loss is {loss:.4g}; {what}",
            hint="a smaller `rate` or `clip`, more `steps`, or a rail at the nodes"))
