"""The recipe of a training: every choice that its result depends on, from TOML and the command line."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from kcompile.diagnostics import Diagnostic, Source, Span, UsageError, accepted, nearest, printable
from kcompile.inputs import read_text
from kcompile.sim.tableau import METHODS
from kcompile.train.recipe_fields import Choice, Number, Whole, flag, options, quantities, setting, text
from kcompile.units import TIME, VOLTAGE

MAX_STEPS = 100_000
RUN_RECIPE = "recipe.toml"
"""Name of the recipe in the folder of a run."""


@dataclass(frozen=True)
class Recipe:
    """Values as the training takes them, in SI units."""

    solver: str = setting("rk4", Choice(tuple(METHODS)), "method with fixed steps")
    steps: int = setting(8, Whole(1, MAX_STEPS), "steps of a time slice")
    coarse: float = setting(0.0, Number(0.0, 1.0), "share of the epochs, the first ones, that take half of the steps")
    until: float | None = setting(None, Number(positive=True, dimension=TIME), "time to simulate, where there are no phases")
    rail: str = setting("ideal", Choice(("ideal", "clamp")), "`rail` of the program as a hard limit of every step, or as its law")
    dtype: str = setting("float32", Choice(("float32", "float64")), "numbers of the simulation")
    backend: str = setting("auto", text, "what runs the steps: `cpp`, `torch`, `compiled` by torch, `auto`")
    device: str = setting("cpu", Choice(("cpu", "cuda")), "where it runs: processors, or a GPU for each process")
    threads: int = setting(1, Whole(0, 1024), "threads of torch, shared by the processes of a machine; 0 takes all "
                           "cores, which pays from some thousand devices on")
    epochs: int = setting(50, Whole(1), "times that all samples are seen")
    batch: int = setting(64, Whole(1), "samples of a step of the optimizer")
    seed: int = setting(0, Whole(0), "of starting values, order, augmentation, mismatch and noise")
    split_seed: int = setting(0, Whole(0), "of the split into parts, and of the specimens that are validated")
    validation: float = setting(0.1, Number(0.0, 0.9), "share of the training samples that is held out")
    test: float = setting(0.2, Number(0.0, 0.9), "share of the samples for the test, where the set has no test part")
    target: str | None = setting(None, text, "target column of a table; else its last one")
    optimizer: str = setting("AdamW", text, "a class of torch.optim")
    optimizer_options: Mapping[str, Any] = setting({}, options, "its options, without the rate; `fused` is on where there is one")
    rate: float = setting(0.01, Number(positive=True), "largest learning rate")
    schedule: str = setting("cosine", Choice(("cosine", "constant", "step")), "how the rate goes on after the warm-up")
    warmup: float = setting(0.1, Number(0.0, 1.0), "share of the steps in which the rate rises from 0")
    decay: float = setting(0.3, Number(0.0, 1.0, positive=True), "factor of the schedule `step`")
    decay_epochs: int = setting(100, Whole(1), "epochs between two such factors")
    clip: float = setting(1.0, Number(0.0), "largest norm of the gradient; 0 for no limit")
    loss: str = setting("cross-entropy", Choice(("cross-entropy", "one-hot", "mse")),
                        "`cross-entropy` and `one-hot` (mean square) learn classes, `mse` numbers")
    readout: str = setting("single", Choice(("single", "differential")), "an output per value, or the difference of two")
    scale: float = setting(1.0, Number(positive=True, dimension=VOLTAGE**-1), "logits or numbers per volt read out")
    standardize_targets: bool = setting(False, flag, "numbers to learn with mean 0 and deviation 1")
    standardize: bool = setting(False, flag, "inputs with mean 0 and deviation 1 before scale and offset")
    input_scale: float = setting(1.0, Number(dimension=VOLTAGE), "volts per unit of the inputs")
    input_offset: float = setting(0.0, Number(dimension=VOLTAGE), "volts of input 0")
    input_limit: float | None = setting(None, Number(positive=True, dimension=VOLTAGE), "largest voltage that an input becomes")
    shift: float = setting(0.0, Number(0.0), "augmentation: images move by up to so many pixels")
    rotation: float = setting(0.0, Number(0.0, 180.0), "augmentation: images turn by up to so many degrees")
    zoom: float = setting(0.0, Number(0.0, 0.9), "augmentation: images grow or shrink by up to this share")
    elastic: float = setting(0.0, Number(0.0), "augmentation: images bend, by up to so many pixels at 5 x 5 knots")
    init: float = setting(1.0, Number(0.0), "spread of random starting values; 0 keeps those of the program")
    units: Mapping[str, float] = setting({}, quantities, "size of one unit of a parameter, where it is not 1 in SI")
    grid: Mapping[str, float] = setting({}, quantities, "step of a parameter that hardware holds in steps, by its name: "
                                        "what is validated and kept is on it")
    rounded: float = setting(0.5, Number(0.0, 1.0), "share of the epochs, the last ones, that run on the grid")
    span: float | None = setting(None, Number(positive=True, dimension=VOLTAGE), "voltage of any node from which on it costs")
    span_cost: float = setting(1000.0, Number(0.0), "loss for each square volt beyond the span, mean over nodes and steps")
    mismatch: float = setting(0.0, Number(0.0), "factor on the measured deviations of cells: every batch runs on a specimen of "
                              "its own; 0 for equal cells")
    specimens: int = setting(16, Whole(0), "specimens, always the same, that are validated where `mismatch` is drawn; 0 for "
                             "equal cells")
    noise: float = setting(0.0, Number(0.0, dimension=VOLTAGE), "deviation of the starting voltages of inputs in "
                           "training, as heat leaves them on capacitors")
    patience: int = setting(0, Whole(0), "epochs without a better validation loss after which to stop; 0 for never")
    checkpoint_every: float = setting(30.0, Number(0.0, dimension=TIME), "seconds between checkpoints within an epoch")

    def resolved(self) -> Recipe:
        """The recipe with the number of threads that this machine gives."""
        return replace(self, threads=self.threads or len(os.sched_getaffinity(0)))

    @property
    def labels(self) -> bool:
        """Whether targets are classes."""
        return self.loss != "mse"

    @property
    def augmentation(self) -> tuple[str, ...]:
        """Keys that change images."""
        return tuple(name for name in ("shift", "rotation", "zoom", "elastic") if getattr(self, name))

    @property
    def outputs_per_value(self) -> int:
        return 2 if self.readout == "differential" else 1


FIELDS = {one.name: one for one in fields(Recipe)}
_TABLES = ("optimizer_options", "units", "grid")


def read_recipe(path: Path) -> Recipe:
    """Recipe of a TOML file; raises `UsageError` KC0501, KC0565 to KC0567, each at its place."""
    source = Source(str(path), read_text(path))
    try:
        given = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line ([0-9]+), column ([0-9]+)\)", str(error))
        span = None
        if place:
            start = source.line_starts[int(place[1]) - 1] + int(place[2]) - 1
            span = Span(source, start, start + 1)
        message = re.sub(r" *\(at [^)]*\)$", "", str(error))
        raise UsageError(Diagnostic("KC0565", f"the recipe is not TOML: {printable(message, 120)}", span)) from None
    except RecursionError:
        raise UsageError(Diagnostic("KC0565", f"the recipe {printable(str(path))} is nested too deep")) from None
    return with_values(Recipe(), given, source)


def with_values(recipe: Recipe, given: Mapping[str, Any], source: Source | None = None) -> Recipe:
    """Recipe with other values by name; `a.b` sets an entry of a table. Raises `UsageError` KC0566, KC0567."""
    problems, values = [], {}
    for key, value in given.items():
        name, _, entry = key.partition(".")
        span = _place(source, key)
        if name not in FIELDS or (entry and name not in _TABLES):
            problems.append(Diagnostic("KC0566", f"a recipe has no key `{printable(key, 60)}`", span,
                                       hint=nearest(key, FIELDS) or accepted(FIELDS, 40)))
            continue
        if entry:
            value = {**values.get(name, getattr(recipe, name)), entry: value}
        try:
            values[name] = FIELDS[name].metadata["check"](value)
        except ValueError as error:
            wanted = str(error)
            wanted = f"; {wanted}" if wanted.startswith(("accepted", "did you")) else f", {wanted} is needed"
            problems.append(Diagnostic("KC0567", f"`{name}` is {printable(_written(value), 60)}{wanted}", span))
    if problems:
        raise UsageError(*problems)
    return replace(recipe, **values)


def read_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """`KEY=VALUE` texts as values: what TOML reads as one value is that, anything else is a text. Raises `UsageError` KC0567."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise UsageError(Diagnostic("KC0567", f"`{printable(pair, 80)}` is not KEY=VALUE",
                                        hint="for example --with rate=0.003"))
        try:
            read = tomllib.loads(f"value = {value}")
        except (tomllib.TOMLDecodeError, RecursionError):
            read = {"value": value}
        found[key.strip()] = read["value"] if len(read) == 1 else value
    return found


def format_recipe(recipe: Recipe) -> str:
    """TOML text of a recipe with all its values."""
    lines, tables = [], []
    for name in FIELDS:
        value = getattr(recipe, name)
        if name in _TABLES and value:
            tables += [f"\n[{name}]", *(f"{json.dumps(key)} = {_written(one)}" for key, one in sorted(value.items()))]
        elif name not in _TABLES and value is not None:
            lines.append(f"{name} = {_written(value)}")
    return "\n".join([*lines, *tables]) + "\n"


def _written(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, Mapping):
        return "a table"
    return repr(value)


def _place(source: Source | None, key: str) -> Span | None:
    if source is None:
        return None
    found = re.search(rf"^[ \t]*(?:\[[ \t]*)?[\"']?({re.escape(key)})\b", source.text, re.MULTILINE)
    return Span(source, found.start(1), found.end(1)) if found else None
