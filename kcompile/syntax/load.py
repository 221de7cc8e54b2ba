"""Files and the library into modules: `use` resolved, cycles and paths outside the project refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kcompile.diagnostics import CompileError, Reporter, Source, Span, nearest, printable
from kcompile.resources import data_folder, std_folder
from kcompile.syntax import nodes
from kcompile.syntax.functions import RESERVED
from kcompile.syntax.parse import parse, read_source

MAX_FILES = 256

Named = nodes.Const | nodes.Device | nodes.Circuit


@dataclass(eq=False)
class Module:
    """One file after its `use` lines were followed: every name it can say, with the module that declares it."""

    program: nodes.Program
    names: dict[str, tuple[Named, Module]] = field(default_factory=dict)

    @property
    def own(self) -> list[Named]:
        return [d for d in self.program.declarations if not isinstance(d, nodes.Use)]


def load(source: Source, folder: Path, report: Reporter, include: Sequence[Path] = ()) -> Module:
    """Module of a source whose `use "file"` lines are relative to `folder`."""
    return _Loader(report, (folder, *include)).module(source, folder, ())


class _Loader:
    def __init__(self, report: Reporter, roots: Sequence[Path]) -> None:
        self._report = report
        self._roots = [root.resolve() for root in roots]
        self._loaded: dict[Path, Module] = {}

    def module(self, source: Source, folder: Path, chain: tuple[Path, ...]) -> Module:
        module = Module(parse(source, self._report))
        for declaration in module.program.declarations:
            if isinstance(declaration, nodes.Use):
                self._use(module, declaration, folder, chain)
            else:
                self._declare(module, declaration)
        return module

    def _declare(self, module: Module, declaration: Named) -> None:
        name = declaration.name
        if name.id in RESERVED:
            self._report.error("KC0203", f"`{name.id}` is a word of the language", name.span, hint="choose another name")
        elif name.id in module.names:
            before = module.names[name.id][0].name.span
            self._report.error("KC0202", f"`{name.id}` is declared twice", name.span, f"first at {before}")
        else:
            module.names[name.id] = (declaration, module)

    def _use(self, module: Module, use: nodes.Use, folder: Path, chain: tuple[Path, ...]) -> None:
        path = self._find(use, folder)
        if path is None:
            return
        if path in chain:
            self._report.error("KC0206", f"`{path.name}` uses itself through this line", use.span,
                               hint="move what both files need into a third one")
            return
        if path not in self._loaded:
            if len(self._loaded) >= MAX_FILES:
                self._report.error("KC0107", f"more than {MAX_FILES} files are used", use.span)
                return
            try:
                text = read_source(path, _shown(path, use, folder))
            except OSError as error:
                self._report.error("KC0205", f"{printable(path.name)} cannot be read: {error.strerror}", use.span)
                return
            except CompileError as error:
                for diagnostic in error.diagnostics:
                    self._report.add(diagnostic)
                return
            self._loaded[path] = self.module(text, path.parent, (*chain, path))
        self._import(module, use, self._loaded[path])

    def _import(self, module: Module, use: nodes.Use, other: Module) -> None:
        public = {d.name.id: (d, other) for d in other.own}
        for name in use.names:
            if name.id not in public:
                self._report.error("KC0208", f"`{name.id}` is not declared there", name.span,
                                   hint=nearest(name.id, public))
        wanted = {name.id: name.span for name in use.names} or dict.fromkeys(public, use.span)
        for name, span in wanted.items():
            if name in public and module.names.setdefault(name, public[name]) != public[name]:
                self._report.error("KC0202", f"`{name}` already has a meaning here", span,
                                   f"first at {module.names[name][0].name.span}")

    def _find(self, use: nodes.Use, folder: Path) -> Path | None:
        if use.path is None:
            known, name = library_modules(), ".".join(use.module)
            if name not in known:
                self._report.error("KC0205", f"there is no library module `{name}`", use.span,
                                   hint=nearest(name, known) or "library modules: " + ", ".join(known))
            return known.get(name)
        return self._find_file(use.path, use.span, folder)

    def _find_file(self, text: str, span: Span, folder: Path) -> Path | None:
        if "\0" in text or not text or len(text) > 1024 or any(len(part.encode()) > 255 for part in text.split("/")):
            self._report.error("KC0205", "this is not a file name", span)
            return None
        candidates = [(base / text).resolve() for base in (folder, *self._roots)]
        inside = [path for path in candidates if any(path.is_relative_to(root) for root in (*self._roots, cells_folder()))]
        if not inside:
            self._report.error("KC0207", f"`{printable(text)}` lies outside the folder of the program", span,
                               hint="pass its folder with --include")
            return None
        for path in inside:
            if path.is_file():
                return path
        beside = [p.name for p in inside[0].parent.glob("*.kc")]
        self._report.error("KC0205", f"there is no file `{printable(text)}`", span, hint=nearest(text, beside))
        return None


def library_modules() -> dict[str, Path]:
    """Files of the library by what `use` calls them: `std.passive`, and the laws of cells of processes, `sky130.tanh_pair`."""
    found = {f"std.{path.stem}": path for path in sorted(std_folder().glob("*.kc"))}
    cells = sorted(cells_folder().glob("*/cells/*/law.kc"))
    return found | {f"{path.parents[2].name}.{path.parent.name}": path for path in cells}


def cells_folder() -> Path:
    """Folder of the processes, whose laws may read the constants beside them."""
    return data_folder("pdk_models").resolve()


def _shown(path: Path, use: nodes.Use, folder: Path) -> str:
    if use.path is None:
        return f"{'/'.join(use.module)}.kc"
    shown_folder = Path(use.span.source.name).parent
    return str(shown_folder / use.path) if (folder / use.path).resolve() == path else path.name
