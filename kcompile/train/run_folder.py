"""The folder of a run: whose it is while a process trains there, and the files that say what its checkpoint says."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kcompile.diagnostics import Diagnostic, UsageError, printable
from kcompile.files import write_files
from kcompile.train.checkpoint import has_checkpoint
from kcompile.train.history import best_of, format_csv, format_log

if TYPE_CHECKING:
    from kcompile.train.data import Data
    from kcompile.train.report import TrainingReport
    from kcompile.train.run import Run

BEST, LAST, LOG, CURVES, REPORT = "best.safetensors", "last.safetensors", "log.jsonl", "curves.csv", "report.json"


@contextlib.contextmanager
def held(folder: Path | None, resume: bool) -> Iterator[None]:
    """The folder for this process alone; what a killed one left unfinished there is removed. Without a folder, nothing.

    Raises `UsageError` KC0568 where another process trains there, or where a training is and none is to be resumed; KC0569
    where there is none to resume; KC0513.
    """
    if folder is None:
        yield
        return
    if resume and not has_checkpoint(folder):
        raise UsageError(Diagnostic("KC0569", f"{printable(str(folder))} holds no checkpoint to go on from",
                                    hint="without --resume a training begins in a new folder"))
    if not resume and has_checkpoint(folder):
        raise UsageError(Diagnostic("KC0568", f"{printable(str(folder))} holds a training already",
                                    hint="--resume goes on with it; another one needs another folder"))
    write_files(folder, {})  # makes the folder
    handle = os.open(folder, os.O_RDONLY)
    try:
        # The system releases the lock when the process ends, whatever the end.
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in folder.glob(".*.tmp"):
            left.unlink(missing_ok=True)
        yield
    except BlockingIOError:
        raise UsageError(Diagnostic("KC0568", f"another process trains in {printable(str(folder))}")) from None
    finally:
        os.close(handle)


def write_epoch(folder: Path | None, run: Run) -> None:
    """Write weights and curves of a run, as its checkpoint has them, so that they are right after a kill as well."""
    import safetensors.torch

    if folder is not None and run.history:
        last = {name: value.detach() for name, value in run.parameters.items()}
        write_files(folder, {LOG: format_log(run.history), CURVES: format_csv(run.history), LAST: safetensors.torch.save(last),
                             BEST: safetensors.torch.save(run.best)})


def format_report(run: Run, data: Data, report: TrainingReport) -> str:
    """JSON of a training that is over."""
    best, encoding = best_of(run.history), run.objective.encoding
    content: dict[str, Any] = {
        "format": 1, "circuit": run.circuit.name, "data": data.name,
        "samples": {"train": data.train.count, "validation": data.validation.count, "test": data.test.count},
        "classes": list(data.class_names) or data.classes, "status": run.status, "epochs": len(run.history),
        "best_epoch": best.epoch if best else None, "seconds": run.history[-1].seconds if run.history else 0.0,
        "encoding": {"input_gain": encoding.gain.tolist(), "input_offset": encoding.offset.tolist(),
                     "input_limit": encoding.limit,
                     "target_gain": encoding.target_gain.tolist(), "target_offset": encoding.target_offset.tolist()},
        **report.record()}
    return json.dumps(content, indent=1) + "\n"
