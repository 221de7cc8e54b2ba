"""Processes that train one circuit together, as torchrun starts them: each runs its share of every batch."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kcompile.diagnostics import Diagnostic, KcompileError, SimulatorFailed, UsageError

if TYPE_CHECKING:
    from torch import Tensor

_FAILED = "kcompile/failed"
"""Key of torchrun's store that counts the processes which failed and said so."""
_GRACE = timedelta(seconds=5)
"""How long the first process is given to report an error that others found too."""


@dataclass(frozen=True)
class Team:
    """rank: number of this process, 0 writes and shows; count: of all; neighbors: of those on this machine, with itself."""

    rank: int = 0
    count: int = 1
    neighbors: int = 1

    def share(self, count: int) -> slice:
        """What this process takes of so many rows; the shares differ by at most one row."""
        return slice(count * self.rank // self.count, count * (self.rank + 1) // self.count)

    def sum(self, values: Tensor) -> Tensor:
        """Sum over all processes, the same bits in each."""
        import torch.distributed as dist

        if self.count > 1:
            with _heard():
                dist.all_reduce(values)
        return values

    def any(self, flag: bool) -> bool:
        """Whether it is so in any process."""
        import torch

        return flag if self.count == 1 else bool(self.sum(torch.tensor(float(flag))))

    def from_first(self, value: Any) -> Any:
        """What the first process gave."""
        import torch
        import torch.distributed as dist

        given = [value]
        if self.count > 1:
            with _heard():
                dist.broadcast_object_list(given, 0, device=torch.device("cpu"))
        return given[0]

    def check_same(self, identity: Mapping[str, str]) -> None:
        """Raise `UsageError` KC0571 unless all processes train the same; identity: digests by kind."""
        import torch.distributed as dist

        if self.count == 1:
            return
        every: list[Any] = [None] * self.count
        with _heard():
            dist.all_gather_object(every, dict(identity))
        for rank, one in enumerate(every):
            other = [kind for kind, digest in every[0].items() if one[kind] != digest]
            if other:
                said = " and another ".join(other)
                raise UsageError(Diagnostic("KC0571", f"process {rank} trains with another {said} than process 0",
                                            hint="all machines need the same files, and `threads` by number"))


@contextmanager
def _heard() -> Iterator[None]:
    """A collective operation; raises `SimulatorFailed` KC0611 where another process is gone."""
    try:
        yield
    except RuntimeError:
        raise SimulatorFailed("stopped", Diagnostic(
            "KC0611", "another process of the training ended", hint="go on from the last checkpoint with --resume")) from None


def _started_together() -> bool:
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "MASTER_ADDR" in os.environ


def find_team(device: str) -> Team:
    """The processes that torchrun started, connected by gloo, tensors of GPUs by nccl; one process without torchrun.

    Raises `UsageError` KC0567 where a process finds no GPU to run on, `SimulatorFailed` KC0611.
    """
    import torch
    import torch.distributed as dist

    place = int(os.environ.get("LOCAL_RANK", "0")) if _started_together() else 0
    if device == "cuda":
        if torch.cuda.device_count() <= place:
            raise UsageError(Diagnostic("KC0567", f"`device` is \"cuda\", and torch finds {torch.cuda.device_count()} GPUs here",
                                        hint="each process of a machine needs one of its own"))
        torch.cuda.set_device(place)
    if not _started_together():
        return Team()
    if not dist.is_initialized():
        # Its functions hold the group that there is when it is imported, as torch's optimizers do later; that would never end.
        import torch.distributed.nn

        with _heard():
            dist.init_process_group("gloo" if device == "cpu" else "cpu:gloo,cuda:nccl")
        # A thread of it that lets go of a tensor while the interpreter ends aborts the process.
        atexit.register(dist.destroy_process_group)
    return Team(dist.get_rank(), dist.get_world_size(), int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def launcher() -> tuple[str, ...]:
    """Words that start kcompile as this process was started; several machines need the options of torchrun for that as well."""
    if not _started_together():
        return ("kcompile",)
    return "torchrun", "--standalone", "--nproc-per-node", os.environ.get("LOCAL_WORLD_SIZE", "1"), "-m", "kcompile"


@contextmanager
def one_report() -> Iterator[None]:
    """Of processes that fail together one raises, the first where it fails as well; the others end without a word."""
    try:
        yield
    except Exception as error:
        if _started_together() and not _reports():
            raise SystemExit(error.exit_code if isinstance(error, KcompileError) else 1) from None
        raise


def _reports() -> bool:
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    try:
        store, rank, _ = next(iter(rendezvous("env://")))
        if rank:
            try:
                store.wait([_FAILED], _GRACE)
                return False
            except dist.DistStoreError:
                pass  # the first process is well, or cannot speak
        return store.add(_FAILED, 1) == 1
    except dist.DistError:
        return False  # the store ended with the first process
