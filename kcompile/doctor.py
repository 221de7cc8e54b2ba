"""Which outside tools and optional packages this machine has."""

from __future__ import annotations

import io
import platform
from importlib import metadata

from kcompile.diagnostics import ToolMissing
from kcompile.verify.run_ngspice import HOW_TO_INSTALL, probe_ngspice

PACKAGES = {"lark": "", "numpy": "", "scipy": "", "sympy": "", "networkx": "", "jinja2": "", "click": "", "rich": "",
            "safetensors": "", "matplotlib": "plot", "torch": "torch", "pyyaml": "yaml", "PySpice": "pyspice",
            "scikit-image": "image"}
"""Distribution and the extra that brings it; no extra for the core."""


def examine(version: str) -> str:
    """Table of tools and packages as text."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="")
    for head in ("tool", "found", "features, or how to install it"):
        table.add_column(head, overflow="fold")
    table.add_row("kcompile", version, f"Python {platform.python_version()}")
    try:
        found = probe_ngspice()
        features = [name for name, there in (("OSDI", found.osdi), ("KLU", found.klu)) if there]
        table.add_row("ngspice", found.version, f"{found.path}; features: {', '.join(features) or 'none of OSDI, KLU'}")
    except ToolMissing:
        table.add_row("ngspice", "no", HOW_TO_INSTALL)
    for name, extra in PACKAGES.items():
        try:
            table.add_row(name, metadata.version(name), "")
        except metadata.PackageNotFoundError:
            table.add_row(name, "no", f"pip install 'kcompile\\[{extra}]'" if extra else "pip install --force-reinstall kcompile")
    out = io.StringIO()
    Console(file=out, width=140, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())
