"""Tensors that come from outside: their shapes, dtypes and values, with the place of what is wrong."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.circuit import Circuit
from kcompile.ir.structure import capacitances


def check_initial(initial: Tensor | None, circuit: Circuit, like: Tensor) -> int | None:
    """Batch of input voltages [batch, inputs]; None without any. Raises `UsageError` KC0506, KC0507, KC0550."""
    if initial is None:
        return None
    _check_kind(initial, "the input voltages", like)
    if initial.dim() != 2:
        raise UsageError(Diagnostic("KC0550", f"input voltages are [batch, inputs], not {list(initial.shape)}",
                                    hint="one sample is `x[None]`" if initial.dim() == 1 else ""))
    if initial.shape[1] != len(circuit.inputs):
        raise UsageError(Diagnostic("KC0507", f"the circuit has {len(circuit.inputs)} input nodes, "
                                    f"{initial.shape[1]} voltages are given"))
    if bad := _not_finite(initial):
        sample, k = bad
        raise UsageError(Diagnostic("KC0506", f"input voltage {k} of sample {sample}, of node "
                                    f"`{circuit.nodes.name(int(circuit.inputs[k]))}`, is {float(initial[sample, k].detach())}"))
    return len(initial)


def check_drives(drives: Tensor, batch: int | None, circuit: Circuit, stages: tuple[int, ...], like: Tensor) -> int | None:
    """Batch of a run with voltages of driven nodes; raises `UsageError` KC0506, KC0550, KC0551."""
    _check_kind(drives, "the drives", like)
    wanted = (*stages, len(circuit.driven))
    if tuple(drives.shape[-3:]) != wanted or drives.dim() not in (3, 4):
        raise UsageError(Diagnostic("KC0550", f"drives are {list(wanted)} or [batch, {', '.join(map(str, wanted))}], not "
                                    f"{list(drives.shape)}", hint="steps, stages and driven nodes; see `stage_times`"))
    if drives.dim() == 4 and batch is not None and len(drives) != batch:
        raise UsageError(Diagnostic("KC0550", f"{batch} samples of input voltages and {len(drives)} of drives are given"))
    if bad := _not_finite(drives):
        node = circuit.nodes.name(int(circuit.driven[bad[-1]]))
        raise UsageError(Diagnostic("KC0506", f"the drive of `{node}` at {list(bad[:-1])} is {float(drives[bad].detach())}"))
    if len(joined := _joined(circuit)):
        raise UsageError(Diagnostic("KC0551", f"a capacitor joins the driven node `{circuit.nodes.name(int(joined[0]))}` to "
                                    "another node, so the slope of its voltage must be known as well",
                                    hint="write the drive in the program, as `pwl` for example"))
    return len(drives) if drives.dim() == 4 else batch


def _joined(circuit: Circuit) -> np.ndarray:
    """Driven nodes with a capacitor to a node that has an equation."""
    known = np.zeros(circuit.nodes.count, dtype=bool)
    known[circuit.driven] = True
    free = ~known
    free[0] = False
    caps = capacitances(circuit)
    live = caps.value != 0.0
    return np.concatenate([a[live & known[a] & free[b]] for a, b in ((caps.start, caps.stop), (caps.stop, caps.start))])


def _check_kind(values: Tensor, what: str, like: Tensor) -> None:
    if not isinstance(values, Tensor):
        raise UsageError(Diagnostic("KC0550", f"{what} are a tensor, not {type(values).__name__}"))
    if (values.dtype, values.device) != (like.dtype, like.device):
        raise UsageError(Diagnostic("KC0550", f"{what} are {values.dtype} on {values.device}, the module is {like.dtype} on "
                                    f"{like.device}", hint="convert the tensor, or the module with `.to()`"))


def _not_finite(values: Tensor) -> tuple[int, ...]:
    """Place of the first value that is not finite, or nothing."""
    if math.isfinite(float(values.detach().sum())):  # one number is looked at sooner than all of them
        return ()
    finite = torch.isfinite(values)
    return () if bool(finite.all()) else tuple(torch.nonzero(~finite)[0].tolist())
