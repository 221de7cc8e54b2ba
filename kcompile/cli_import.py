"""`kcompile import`: networks and netlists of other tools become programs, with their values beside them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

import kcompile
from kcompile.diagnostics import Diagnostic, UsageError, printable
from kcompile.units import TIME

if TYPE_CHECKING:
    from kcompile.imports.base import Imported


class _Kinds(click.Group):
    """A group whose first word may be a file: then it is a netlist."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        word = args[0] if args else "-"
        if word not in self.commands and word[:1] != "-" and ("." in word or "/" in word or Path(word).exists()):
            args = ["netlist", *args]
        return super().parse_args(ctx, args)


@click.group("import", cls=_Kinds, no_args_is_help=True)
def import_group() -> None:
    """Turn a network or netlist of another tool into a program: `kcompile import FILE.cir`."""


_out = click.option("-o", "--out", metavar="NET.kc", help="The program.  [default: TOP.kc]")
_weights = click.argument("weights", metavar="[WEIGHTS.safetensors]", required=False)


@import_group.command()
@click.argument("config", metavar="CONFIG.yaml")
@click.argument("checkpoint", metavar="MODEL.pth")
@_weights
@_out
def kirchhoffnet(config: str, checkpoint: str, weights: str | None, out: str | None) -> None:
    """A trained network of the public KirchhoffNet code: its configuration and its checkpoint.

    Writes a program with one phase per layer, and the trained values, in the order of that program, as safetensors.
    Nothing in the two files is run.
    """
    places = _places(out, weights)
    _write(kcompile.import_kirchhoffnet(config, checkpoint), *places)


@import_group.command()
@click.argument("module", metavar="FILE.py:NAME")
@_weights
@_out
@click.option("--ode", metavar="T", help="Run dx/dt = NAME(x) for this time: 1s. Default: compute NAME(x).")
@click.option("--tau", metavar="T", help="Time in which hidden layers of a deep right-hand side follow: 1ms.")
def torch(module: str, weights: str | None, out: str | None, ode: str | None, tau: str | None) -> None:
    """A network of PyTorch: Linear, Tanh, ReLU, LeakyReLU, Sigmoid, Softplus, Identity, Sequential.

    NAME is a torch.nn.Module in FILE.py, or what gives one without arguments. This runs FILE.py.

    A network, and a right-hand side (--ode) with one hidden layer, are exact. With more hidden layers --tau is needed;
    the error is in proportion to it, and is measured and printed.
    """
    from kcompile.imports.torch_file import read_module
    from kcompile.inputs import read_quantity

    places = _places(out, weights)
    until, follow = (None if text is None else read_quantity(text, TIME, option)
                     for text, option in ((ode, "--ode"), (tau, "--tau")))
    _write(kcompile.import_torch(read_module(module), ode=until, tau=follow, name=module.rpartition(":")[2]), *places)


@import_group.command()
@click.argument("netlist", metavar="FILE.cir")
@_out
def netlist(netlist: str, out: str | None) -> None:
    """A SPICE netlist; this is the command when none is named."""
    from kcompile.imports.netlist import import_netlist  # pyright: ignore[reportMissingImports]

    places = _places(out, None)
    _write(import_netlist(Path(netlist)), *places)


def _places(out: str | None, weights: str | None) -> tuple[Path | None, Path | None]:
    """Files of the program and of the values, as far as they are named; raises `UsageError` KC0509 for wrong endings."""
    for name, ending in ((out, ".kc"), (weights, ".safetensors")):
        if name is not None and Path(name).suffix != ending:
            raise UsageError(Diagnostic("KC0509", f"the ending of `{printable(name)}` does not say what to write",
                                        hint=f"accepted: {ending}"))
    program = Path(out) if out else Path(weights).with_suffix(".kc") if weights else None
    values = Path(weights) if weights else program.with_suffix(".safetensors") if program else None
    if program and values and program.parent != values.parent:
        raise click.UsageError("the program and its values are written together, into one folder")
    return program, values


def _write(imported: Imported, program: Path | None, values: Path | None) -> None:
    """Write an import that compiles, and say how to go on."""
    from safetensors.numpy import save

    from kcompile.files import write_files

    program = program or Path(f"{imported.name}.kc")
    values = values or program.with_suffix(".safetensors")
    circuit = kcompile.compile(kcompile.Source(program.name, imported.text), weights=imported.weights)
    files: dict[str, str | bytes] = {program.name: imported.text}
    if imported.weights:
        files[values.name] = save(dict(imported.weights))
    write_files(program.parent, files)
    for name in files:
        click.echo(str(program.parent / name), err=True)
    devices = sum(table.count for table in circuit.tables)
    click.echo(f"{circuit.name}: {circuit.nodes.count - 1:,} nodes, {devices:,} devices, {len(circuit.inputs):,} inputs, "
               f"{len(circuit.outputs):,} outputs", err=True)
    for note in imported.notes:
        click.echo(note, err=True)
    words = ["kcompile", "simulate", str(program), *(["--weights", str(values)] if imported.weights else []),
             *(["--input", "V,.."] if len(circuit.inputs) else []), *([] if circuit.duration else ["--until", "T"]),
             "--out", str(program.with_suffix(".csv"))]
    click.echo(f"go on with: {shlex.join(words)}", err=True)
