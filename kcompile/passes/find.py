"""Every pass there is: those of this folder, of installed packages, and of files a user names."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import re
import sys
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from kcompile.diagnostics import Diagnostic, UsageError, printable
from kcompile.inputs import cannot_read
from kcompile.passes.base import Contract, Pass
from kcompile.registry import find

NAME = re.compile(r"[A-Za-z][\w-]*", re.ASCII)
"""What a pass may be called, so that a pipeline can name it."""

GROUP = "kcompile.passes"
"""Entry points of installed packages, each a pass class."""


def known_passes(plugins: Sequence[str | Path] = ()) -> Mapping[str, type[Pass]]:
    """Pass classes by name; `plugins` are Python files that define some.

    Raises `UsageError` KC0805 where a plugin cannot be loaded, defines no pass, or one whose name is taken.
    """
    found: dict[str, type[Pass]] = dict(find("kcompile.passes", "PASS"))
    for entry in metadata.entry_points(group=GROUP):
        try:
            loaded = entry.load()
        except Exception as error:
            raise _refused(f"the package behind `{entry.value}`", f"cannot be loaded: {_say(error)}") from error
        _add(found, [loaded], f"`{entry.value}`")
    for plugin in plugins:
        _add(found, _classes(Path(plugin)), printable(str(plugin)))
    return dict(sorted(found.items()))


def _classes(path: Path) -> list[type[Pass]]:
    """Pass classes that a file defines; loading it runs it, which is what a plugin is for."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise cannot_read(path, error) from None
    spec = importlib.util.spec_from_file_location("kcompile_plugin_" + str(path.resolve()).replace(".", "_"), path)
    if spec is None or spec.loader is None:
        raise _refused(printable(str(path)), "is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look up there what annotations that are texts mean
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[spec.name]
        raise _refused(printable(str(path)), f"cannot be loaded: {_say(error)}") from error
    classes = [one for one in vars(module).values()
               if inspect.isclass(one) and issubclass(one, Pass) and one is not Pass and one.__module__ == module.__name__]
    if not classes:
        raise _refused(printable(str(path)), "defines no pass")
    return classes


def _add(found: dict[str, type[Pass]], classes: Iterable[type[Pass]], where: str) -> None:
    for one in classes:
        problems = list(_problems(one))
        if problems:
            raise _refused(where, f"{getattr(one, '__name__', one)} {problems[0]}")
        if one.name in found:
            raise _refused(where, f"defines the pass `{one.name}`, a name that is taken")
        found[one.name] = one


def _problems(one: object) -> Iterator[str]:
    if not (inspect.isclass(one) and issubclass(one, Pass)):
        yield "is not a class of passes"
    elif not isinstance(getattr(one, "name", None), str):
        yield "has no `name`"
    elif not isinstance(getattr(one, "contract", None), Contract):
        yield "has no `contract`: Contract.EXACT or Contract.BOUNDED"
    elif not NAME.fullmatch(one.name):
        yield f"has the name `{printable(one.name, 40)}`; names are letters, digits, `-` and `_`, a letter first"
    elif "__dataclass_fields__" not in vars(one):
        yield "is not a dataclass; `@dataclass(frozen=True)` stands before it"
    elif any("dimension" not in field.metadata for field in dataclasses.fields(one)):
        yield "has a field that is not an `option(...)`"
    else:
        yield from _strange_types(one)


def _strange_types(one: type[Pass]) -> Iterator[str]:
    """Options whose values no pipeline can say."""
    try:
        hints = typing.get_type_hints(one)
    except Exception as error:  # noqa: BLE001 - an annotation may say anything
        yield f"has a type that cannot be read: {_say(error)}"
        return
    for field in dataclasses.fields(one):
        kinds = set(typing.get_args(hints[field.name]) or (hints[field.name],)) - {type(None)}
        if len(kinds) != 1 or not kinds <= {float, int, bool, str}:
            yield f"has an option `{field.name}` that is not a float, int, bool or str"


def _say(error: Exception) -> str:
    return f"{type(error).__name__}: {printable(str(error), 200)}"


def _refused(where: str, why: str) -> UsageError:
    return UsageError(Diagnostic("KC0805", f"the plugin {where} {why}", hint="docs/passes.md has a complete example"))
