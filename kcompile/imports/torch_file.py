"""A module of PyTorch out of a Python file of the user's own. Reading it runs the file, as `python FILE.py` does."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from kcompile.diagnostics import CompileError, Diagnostic, Source, Span, UsageError, accepted, nearest, printable
from kcompile.imports.checkpoint import need_torch
from kcompile.inputs import read_text

if TYPE_CHECKING:
    import torch


def read_module(place: str) -> torch.nn.Module:
    """Module that `FILE.py:NAME` names: NAME is a module, or a class or function that gives one without arguments.

    Raises `UsageError` KC0501, KC0526, `CompileError` KC0526 at the line of the file that fails, `ToolMissing` KC0711.
    """
    nn = need_torch().nn
    file, colon, name = place.rpartition(":")
    if not colon or Path(file).suffix != ".py":
        raise UsageError(Diagnostic("KC0526", f"`{printable(place, 80)}` does not name a network in a Python file",
                                    hint="for example net.py:model"))
    source = Source(file, read_text(Path(file)))
    found = _run(source)
    known = {key: value for key, value in vars(found).items()
             if isinstance(value, nn.Module) or (callable(value) and getattr(value, "__module__", "") == found.__name__)}
    if name not in known:
        raise UsageError(Diagnostic("KC0526", f"{printable(file)} has no network `{printable(name, 40)}`",
                                    hint=nearest(name, known) or (accepted(known) if known else "")))
    module: Any = known[name]
    if not isinstance(module, nn.Module):
        try:
            module = module()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's own code may raise anything
            raise _failed(source, error, f"`{name}()`") from None
    if not isinstance(module, nn.Module):
        raise UsageError(Diagnostic("KC0526", f"`{name}()` gives a {type(module).__name__}, not a torch.nn.Module"))
    return module


def _run(source: Source) -> ModuleType:
    path = Path(source.name).resolve()
    spec = importlib.util.spec_from_file_location(f"kcompile_import_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(Diagnostic("KC0526", f"{printable(source.name)} is not a Python file"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's own code may raise anything
        raise _failed(source, error, "the file") from None
    finally:
        sys.path.remove(str(path.parent))
    return module


def _failed(source: Source, error: BaseException, what: str) -> CompileError:
    """KC0526 at the last line of the file that the error went through."""
    path = str(Path(source.name).resolve())
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    line: Any = error.lineno if isinstance(error, SyntaxError) and error.filename == path else lines[-1] if lines else None
    span = None
    if isinstance(line, int) and 1 <= line <= len(source.line_starts):
        text = source.line(line)
        start = source.line_starts[line - 1] + len(text) - len(text.lstrip())
        span = Span(source, start, max(start + 1, start + len(text.strip())))
    reason = printable(str(error).split("\n")[0])
    return CompileError(Diagnostic("KC0526", f"{what} fails with {type(error).__name__}{': ' * bool(reason)}{reason}", span))
