"""What the verbs that read a model have in common: their options, and the circuit these ask for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kcompile.diagnostics import Diagnostic, UsageError, printable
from kcompile.units import TIME

if TYPE_CHECKING:
    from kcompile.diagnostics import Source
    from kcompile.ir.circuit import Circuit
    from kcompile.passes.pipeline import Outcome, Watch

INCLUDE = click.option("--include", metavar="DIR", multiple=True, help="Another folder that `use` may read from.")
TOP = click.option("--top", metavar="NAME", help="The circuit to take, when several are not instantiated.")
PLUGIN = click.option("--plugin", "plugins", metavar="FILE.py", multiple=True, help="A Python file that defines passes.")

CLOCKED = click.option("--clocked", is_flag=True, help="Give a circuit of cells clocks, switches that load its nodes, buffers "
                       "that show its outputs and amplifiers that drive its rails; with several phases it always has them.")

_OPTIONS = (
    click.argument("model", metavar="MODEL.kc"),
    click.option("--until", metavar="T", help="Time to simulate, with a unit: 50ns. Default: the sum of the phases."),
    click.option("--input", "inputs", metavar="V,..|FILE", help="Input voltages: v1,v2,... or a .npy or .csv file; in volts."),
    click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="Set a parameter: n=8, R1.r=2kOhm."),
    click.option("--weights", metavar="FILE.safetensors", help="Parameter values by full name."),
    TOP,
    click.option("--rtol", type=float, metavar="R", help="Relative tolerance of the simulation."),
    INCLUDE,
    click.option("--passes", metavar="P1,P2{OPTION=V},..", default="", help="Passes over the circuit, in this order."),
    PLUGIN,
)


@dataclass(frozen=True)
class Origin:
    """What a circuit was made from: the content of every file by its shown name, and where the user's own files lie."""

    contents: dict[str, str | bytes]
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Request:
    """The options of one call."""

    model: str
    until: str | None
    inputs: str | None
    settings: tuple[str, ...]
    weights: str | None
    top: str | None
    rtol: float | None
    include: tuple[str, ...]
    passes: str
    plugins: tuple[str, ...]

    def with_pass(self, text: str) -> Request:
        """The request with one more pass at the end."""
        return replace(self, passes=",".join(filter(None, (self.passes, text))))

    def words(self) -> list[str]:
        """The model and these options, as a command line has them."""
        given = {"--until": self.until, "--input": self.inputs, "--weights": self.weights, "--top": self.top,
                 "--rtol": self.rtol, "--passes": self.passes or None}
        several = {"--set": self.settings, "--include": self.include, "--plugin": self.plugins}
        return [self.model, *(word for name, value in given.items() if value is not None for word in (name, str(value))),
                *(word for name, values in several.items() for value in values for word in (name, value))]

    def circuit(self) -> Circuit:
        """The circuit after its passes, whose facts go to standard error."""
        outcome, _ = self.outcome()
        for run in outcome.runs:
            click.echo(str(run), err=True)
        return outcome.circuit

    def outcome(self, watch: Watch | None = None) -> tuple[Outcome, Origin]:
        """What the passes gave, and the files that the circuit was made from."""
        from kcompile.driver import compile_with_sources, transform
        from kcompile.inputs import read_settings, read_voltages

        circuit, sources = compile_with_sources(
            self.model, top=self.top, settings=read_settings(self.settings), weights=self.weights,
            inputs=None if self.inputs is None else read_voltages(self.inputs), include=self.include)
        inputs = self.inputs if Path(self.inputs or "").suffix in (".npy", ".csv") else None  # else the voltages themselves
        beside = [name for name in (self.weights, inputs, *self.plugins) if name is not None and Path(name).is_file()]
        contents = {**{one.name: one.text for one in sources}, **{name: Path(name).read_bytes() for name in beside}}
        files = (*self._programs(sources), *map(Path, beside))
        return transform(circuit, self.passes, plugins=self.plugins, watch=watch), Origin(contents, files)

    def _programs(self, sources: Sequence[Source]) -> Iterator[Path]:
        """Files of programs but those of kcompile itself, named from the folders that the call names."""
        from kcompile.depfile import named_from
        from kcompile.resources import std_folder
        from kcompile.syntax.load import cells_folder

        model = Path(self.model)
        yield model
        for source in sources[1:]:
            path = source.path
            if path is not None and not any(path.is_relative_to(own) for own in (std_folder().resolve(), cells_folder())):
                yield named_from(path, (model.parent, Path(), *map(Path, self.include)))

    def seconds(self, circuit: Circuit | None = None) -> float | None:
        """Seconds of `--until`; raises `UsageError` KC0508 when a circuit is given that has no end of its own either."""
        from kcompile.inputs import read_quantity

        if self.until is None:
            if circuit is not None and circuit.duration is None:
                raise UsageError(Diagnostic("KC0508", "the circuit has no phases, so the time to simulate must be given",
                                            hint="for example --until 50ns"))
            return None
        value = read_quantity(self.until, TIME, "--until")
        if not 0 < value < float("inf"):
            raise UsageError(Diagnostic("KC0503", f"--until is a positive time, not `{printable(self.until, 40)}`"))
        return value


def takes_request(command: Callable[..., Any]) -> Callable[..., Any]:
    """Command with the common options, which it gets as one `Request`."""
    names = [field.name for field in fields(Request)]

    @functools.wraps(command)
    def collect(**given: Any) -> Any:
        request = Request(**{name: given.pop(name) for name in names})
        return command(request, **given)

    for option in reversed(_OPTIONS):
        option(collect)
    return collect
