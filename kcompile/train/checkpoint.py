"""Everything a training needs to go on, in one file of safetensors whose metadata is JSON.

Two generations take turns, and a file is replaced whole, so that a kill at any instant leaves one that is good. A digest over
all content finds a file that was damaged later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kcompile.diagnostics import Diagnostic, UsageError, printable
from kcompile.files import write_files
from kcompile.train.history import Record

if TYPE_CHECKING:
    import torch

FORMAT = 1
_NAMES = ("checkpoint.0.safetensors", "checkpoint.1.safetensors")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training after `step` steps of its optimizer.

    identity: digests of what it trains, by kind. loss, score, seen: sums over the samples of the epoch so far. seconds: of
    computing. history: records of the whole epochs. tensors: parameters `parameter/NAME`, those of the best epoch
    `best/NAME`, state of the optimizer `optimizer/INDEX/KEY`. settings: JSON-ready rest of that state.
    """

    identity: Mapping[str, str]
    step: int
    loss: float
    score: float
    seen: int
    seconds: float
    history: tuple[Record, ...]
    tensors: Mapping[str, torch.Tensor]
    settings: Mapping[str, Any]
    generation: int = 0

    def part(self, kind: str) -> dict[str, torch.Tensor]:
        """Tensors of one kind by the rest of their name."""
        return {name.partition("/")[2]: value for name, value in self.tensors.items() if name.startswith(f"{kind}/")}


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint as it was written, over the older of the two generations; raises `UsageError` KC0513."""
    import safetensors.torch

    newer = replace(checkpoint, generation=checkpoint.generation + 1)
    said = {name: value for name, value in vars(newer).items() if name not in ("tensors", "history")}
    content = json.dumps({"format": FORMAT, **said, "history": [asdict(record) for record in newer.history]})
    tensors = {name: value.detach().cpu().contiguous() for name, value in newer.tensors.items()}
    metadata = {"kcompile": content, "digest": _digest(content, tensors)}
    write_files(folder, {_NAMES[newer.generation % 2]: safetensors.torch.save(tensors, metadata)})
    return newer


def has_checkpoint(folder: Path) -> bool:
    """Whether a folder holds a training."""
    return any((folder / name).exists() for name in _NAMES)


def read_checkpoint(folder: Path) -> tuple[Checkpoint, tuple[str, ...]]:
    """The newest whole checkpoint of a folder, and what was wrong with the other; raises `UsageError` KC0569 without one."""
    found: list[Checkpoint] = []
    damaged: list[str] = []
    for name in _NAMES:
        if (folder / name).exists():
            try:
                found.append(_read(folder / name))
            except _Damaged as error:
                damaged.append(f"{name}: {printable(str(error), 120)}")
    if not found:
        raise UsageError(Diagnostic("KC0569", f"{printable(str(folder))} holds no checkpoint to go on from",
                                    notes=tuple(damaged), hint="without --resume a training begins in a new folder"))
    return max(found, key=lambda one: one.generation), tuple(damaged)


class _Damaged(Exception):
    """A file is no whole checkpoint."""


def _read(path: Path) -> Checkpoint:
    import safetensors

    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, torch.Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, safetensors.SafetensorError, ValueError, TypeError, KeyError) as error:
        raise _Damaged(str(error)) from None
    content = metadata.get("kcompile", "")
    if not content or metadata.get("digest") != _digest(content, tensors):
        raise _Damaged("its content is not what was written")
    said = json.loads(content)
    if said.pop("format") != FORMAT:
        raise _Damaged("it is of another version of kcompile")
    history = tuple(Record(**record) for record in said.pop("history"))
    return Checkpoint(tensors=tensors, history=history, **said)


def _digest(content: str, tensors: Mapping[str, torch.Tensor]) -> str:
    found: Any = hashlib.sha256(content.encode())
    for name, value in sorted(tensors.items()):
        found.update(f"{name}{value.dtype}{tuple(value.shape)}".encode())
        found.update(value.reshape(-1).numpy().tobytes())
    return found.hexdigest()
