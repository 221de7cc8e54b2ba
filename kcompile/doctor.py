"""Which outside tools and optional packages this machine has."""

from __future__ import annotations

import io
import platform
from importlib import metadata

from kcompile.diagnostics import ToolMissing
from kcompile.kernels.build import probe_compiler
from kcompile.verify.compile_osdi import probe_openvaf
from kcompile.verify.run_ngspice import probe_ngspice
from kcompile.verify.run_vacask import probe_vacask

PACKAGES = {"lark": "", "numpy": "", "scipy": "", "sympy": "", "networkx": "", "jinja2": "", "click": "", "rich": "",
            "safetensors": "", "matplotlib": "plot", "torch": "torch", "pyyaml": "yaml", "PySpice": "pyspice",
            "scikit-image": "image", "scikit-learn": "data", "tensorboard": "tensorboard",
            "klayout": "layout", "joblib": "sweep", "distributed": "dask", "ray": "ray"}
"""Distribution and the extra that brings it; no extra for the core."""


def _ngspice() -> tuple[str, str]:
    found = probe_ngspice()
    features = [name for name, there in (("OSDI", found.osdi), ("KLU", found.klu)) if there]
    return found.version, f"{found.path}; features: {', '.join(features) or 'none of OSDI, KLU'}"


_TOOLS = {"ngspice": _ngspice, "openvaf-r": probe_openvaf, "VACASK": probe_vacask, "C++": probe_compiler}
"""Version, and where the program is; each raises `ToolMissing` with how to install it."""


def examine(version: str) -> str:
    """Table of tools and packages as text."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="")
    for head in ("tool", "found", "features, or how to install it"):
        table.add_column(head, overflow="fold")
    table.add_row("kcompile", version, f"Python {platform.python_version()}")
    for name, probe in _TOOLS.items():
        try:
            table.add_row(name, *probe())
        except ToolMissing as missing:
            table.add_row(name, "no", escape(missing.diagnostics[0].hint))
    for name, extra in PACKAGES.items():
        try:
            table.add_row(name, metadata.version(name), "")
        except metadata.PackageNotFoundError:
            table.add_row(name, "no", f"pip install 'kcompile\\[{extra}]'" if extra else "pip install --force-reinstall kcompile")
    out = io.StringIO()
    Console(file=out, width=140, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())
