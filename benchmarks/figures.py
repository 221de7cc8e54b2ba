"""Every figure of the project, measured on this machine: `python -m benchmarks.figures --write docs/figures.md`."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from datetime import date
from importlib import import_module, metadata
from pathlib import Path

from benchmarks.row import Row, table
from kcompile.files import write_files
from kcompile.verify.compile_osdi import probe_openvaf
from kcompile.verify.run_ngspice import probe_ngspice
from kcompile.verify.run_vacask import probe_vacask

# Large programs come first: a child's peak memory counts that of the process it was forked from.
SECTIONS = {
    "scale": "Large programs", "imported": "Imported networks", "backends": "Batches and gradients",
    "rivals": "Against JAX and numba", "adaptive": "Steps chosen for each sample, against diffrax",
    "memory": "Memory of gradients", "gradients": "Gradients against differences", "mnist": "MNIST in generated C++",
    "rails": "MNIST inside rails", "rails_long": "MNIST inside rails: a long training",
    "startup": "Command line", "validation": "Passes: translation validation", "outline": "Passes: repeated structure",
    "agreement": "Agreement with ngspice", "three_way": "Three ways: ngspice, OSDI, VACASK", "training": "Training",
    "silicon": "Silicon", "silicon_networks": "Silicon: a regression and digits", "suites": "Robustness"}
"""Titles of the page by module, in its order."""


def machine() -> str:
    """Cores and name of the processor."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return f"{os.cpu_count()} cores of {model[1] if model else platform.processor() or 'an unnamed processor'}"


def versions() -> str:
    """What the figures were measured with."""
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in ("kcompile", "numpy", "scipy", "sympy", "lark"))
    return (f"Python {platform.python_version()}, {packages}, ngspice {probe_ngspice().version}, "
            f"openvaf-r {probe_openvaf()[0]}, VACASK {probe_vacask()[0]}")


def sections_of(page: str) -> dict[str, str]:
    """What stands below each title of a page."""
    return dict(part.split("\n\n", 1) for part in page.rstrip("\n").split("\n\n## ")[1:])


def main() -> int:
    """Measure sections, print them and write the page; 1 when a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page there")
    parser.add_argument("section", nargs="*", help=f"measure these alone and keep the others of FILE: {', '.join(SECTIONS)}")
    arguments = parser.parse_args()
    if unknown := set(arguments.section) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    head = ("# Figures\n\nWritten by `make figures`; each section by the command below its title, on the day and the machine "
            f"beside it. Measured with {versions()}.")
    kept = {}
    if arguments.section and arguments.write:
        page = arguments.write.read_text(encoding="utf-8")
        if not page.startswith(head + "\n"):
            parser.error(f"{arguments.write} was measured with other versions; measure every section")
        kept = sections_of(page)
    every: list[Row] = []
    for name, title in SECTIONS.items():
        if arguments.section and name not in arguments.section:
            continue
        module = import_module(f"benchmarks.{name}")
        found = list(module.rows())
        every += found
        kept[title] = "\n\n".join((f"`python -m {module.__name__}` ({date.today()}, {machine()})", table(found),
                                   *([module.NOTE] if hasattr(module, "NOTE") else [])))
        print(f"## {title}\n\n{kept[title]}\n", flush=True)
        if arguments.write:
            parts = [head, *(f"## {title}\n\n{kept[title]}" for title in SECTIONS.values() if title in kept)]
            write_files(arguments.write.parent, {arguments.write.name: "\n\n".join(parts) + "\n"})
    return 1 if any(row.met is False for row in every) else 0


if __name__ == "__main__":
    sys.exit(main())
