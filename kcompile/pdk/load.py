"""Finds and reads the description of a process."""

from __future__ import annotations

import tomllib

from kcompile.diagnostics import CompileError, Diagnostic, UsageError, accepted, nearest, printable
from kcompile.pdk.schema import NAME, Malformed, Pdk, read_pdk
from kcompile.resources import data_folder


def known_pdks() -> list[str]:
    """Names of the processes that ship with the compiler."""
    return sorted(path.parent.name for path in data_folder("pdk_models").glob("*/pdk.toml"))


def load_pdk(name: str) -> Pdk:
    """Description of a process; raises `UsageError` KC0511 for an unknown name, `CompileError` KC0512 for a bad file."""
    if name not in known_pdks():
        raise UsageError(Diagnostic("KC0511", f"there is no process `{printable(name, 40)}`",
                                    hint=nearest(name, known_pdks()) or accepted(known_pdks())))
    path = data_folder("pdk_models") / name / "pdk.toml"
    shown = f"pdk_models/{name}/pdk.toml"
    try:
        with path.open("rb") as file:
            pdk = read_pdk(tomllib.load(file))
        if pdk.name != name or NAME.fullmatch(name) is None:
            raise Malformed("`name` is a name that programs can write, and that of its folder")
        return pdk
    except Malformed as error:
        hint = nearest(error.key, error.known) or (accepted(error.known) if error.known else "")
        raise CompileError(Diagnostic("KC0512", f"{shown}: {printable(str(error))}", hint=hint)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise CompileError(Diagnostic("KC0512", f"{shown} cannot be read: {printable(str(error))}")) from None
