"""A circuit as a module of torch: parameters under their names in the source, outputs from starting voltages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from kcompile.diagnostics import Diagnostic, UsageError, accepted, nearest
from kcompile.ir.circuit import Circuit
from kcompile.sim.pack import System
from kcompile.sim.schedule import fixed_schedule, stage_values
from kcompile.sim.stability import Stability, rate_bounds
from kcompile.sim.tableau import TSIT5, find_method
from kcompile.sim.waveform import Sources
from kcompile.train.base import Backend, Problem
from kcompile.train.check_tensors import check_drives, check_initial
from kcompile.train.choose import make_adaptive, make_backend
from kcompile.train.cpp_backend import AdaptiveRun
from kcompile.train.linear import Linear, select
from kcompile.train.parameters import NUMPY, Columns, grow, limits, representable
from kcompile.train.rails import ideal_rails, no_rails
from kcompile.train.start import Start
from kcompile.train.torch_adaptive import TorchAdaptive

RAILS = ("clamp", "ideal")
"""A rail as the current of its law, or as a projection of every voltage."""


@dataclass(frozen=True, eq=False)
class _Built:
    """What a run needs on one device, in one dtype."""

    backend: Backend
    columns: Columns
    start: Start
    drives: Tensor | None
    read: Linear


class CircuitModule(nn.Module):
    """A circuit that runs with fixed steps, with a parameter for each of `Circuit.trainable()`, under its name.

    solver: `heun`, `rk4`, `tsit5` or, for stiff circuits, the implicit `sdirk2` and `tr-bdf2`; steps: of each time slice;
    until: seconds, for circuits without phases. rail: `clamp` runs the current that a rail stands for, `ideal` projects
    voltages into it. backend: `cpp`, `torch`, `compiled` by torch, or `auto`, which is `cpp` for explicit steps on processors
    with a compiler. Values and voltages are in SI units. Raises `UsageError` KC0503, KC0505, KC0508, KC0509, KC0552, KC0553,
    `ToolMissing` KC0717.
    """

    def __init__(self, circuit: Circuit, solver: str = "rk4", steps: int = 8, until: float | None = None,
                 dtype: torch.dtype = torch.float32, rail: str = "clamp", backend: str = "auto") -> None:
        super().__init__()
        if rail not in RAILS:
            raise UsageError(Diagnostic("KC0509", f"there is no rail `{rail}`", hint=nearest(rail, RAILS) or accepted(RAILS)))
        _check_dtype(dtype)
        self._circuit, self._backend, self._until = circuit, backend, until
        self._net, self._lower, self._upper = ideal_rails(circuit) if rail == "ideal" else no_rails(circuit)
        self._method = find_method(solver)
        self._schedule = fixed_schedule(circuit, steps, until)
        self._limits = limits(circuit)
        values = circuit.parameters()
        self._places = {name: grow(self, name, nn.Parameter(torch.tensor(values[name], dtype=dtype))) for name in self._limits}
        self.register_buffer("_like", torch.zeros(0, dtype=dtype), persistent=False)
        self._system: System | None = None
        self._built: dict[tuple[torch.dtype, torch.device, bool], _Built] = {}
        self._adaptive: dict[tuple[torch.dtype, torch.device], AdaptiveRun | TorchAdaptive] = {}
        self.project_()
        self._build(whole=False)

    @property
    def backend(self) -> str:
        """Name of what runs it now, never `auto`."""
        return self._build(whole=False).backend.name

    # ---- running ------------------------------------------------------------------------------------------------------

    def forward(self, initial: Tensor | None = None, drives: Tensor | None = None) -> Tensor:
        """Voltages of the output nodes at the end, [batch, outputs].

        initial: volts [batch, inputs] in the order of `input`; without it the circuit's own. drives: volts of the driven
        nodes at `stage_times`, [steps, stages, driven] or [batch, steps, stages, driven]; without them the circuit's own.
        Raises `UsageError` KC0506, KC0507, KC0550, KC0551, and `SimulatorFailed` KC0612 where implicit steps have no solution.
        """
        self._check_outputs()
        return self._run(initial, drives, whole=False)[:, 0]

    def trajectory(self, initial: Tensor | None = None, drives: Tensor | None = None) -> Tensor:
        """Voltages of all nodes but ground at `times`, [batch, steps + 1, nodes]; arguments as for a call."""
        return self._run(initial, drives, whole=True)

    @torch.no_grad()
    def adaptive(self, initial: Tensor | None = None, rtol: float = 1e-6, atol: float = 1e-6) -> Tensor:
        """Voltages of the output nodes at the end, [batch, outputs], with steps chosen for each sample; no gradient.

        The Tsitouras pair; the local error of a step is kept below atol + rtol |x|, root mean square over the unknowns. Generated
        C++ runs circuits without waveforms on processors, torch the others; no step reaches over a corner of a waveform.
        Raises as a call does, and `UsageError` KC0503, `SimulatorFailed` KC0601.
        """
        self._check_outputs()
        like = self._buffers["_like"]
        assert like is not None
        built = self._build(whole=False)
        batch = check_initial(initial, self._circuit, like)
        columns = built.columns(self._named())
        key = (like.dtype, like.device)
        if key not in self._adaptive:
            assert self._system is not None
            schedule = fixed_schedule(self._net, 1, self._until)
            self._adaptive[key] = make_adaptive(self._backend, Problem(self._system, schedule, TSIT5, self._lower, self._upper,
                                                                       (schedule.count,), like.dtype), like.device)
        states = self._adaptive[key](built.start(initial, 1 if batch is None else batch, columns), columns, rtol, atol)
        return _read(states, self._driven(built.drives, whole=False), built.read)[:, 0]

    @property
    def times(self) -> np.ndarray:
        """float64[steps + 1]: the start and the end of each step, in seconds."""
        return np.concatenate([self._schedule.starts[:1], self._schedule.ends])

    @property
    def stage_times(self) -> np.ndarray:
        """float64[steps, stages]: instants at which drives are read, in seconds."""
        return self._schedule.stage_times(self._method)

    def _run(self, initial: Tensor | None, drives: Tensor | None, whole: bool) -> Tensor:
        like = self._buffers["_like"]
        assert like is not None
        built = self._build(whole)
        batch = check_initial(initial, self._circuit, like)
        if drives is not None:
            batch = check_drives(drives, batch, self._circuit, self.stage_times.shape, like)
        drives = built.drives if drives is None else drives
        columns = built.columns(self._named())
        states = built.backend(built.start(initial, 1 if batch is None else batch, columns), columns, drives)
        return _read(states, self._driven(drives, whole), built.read)

    def _check_outputs(self) -> None:
        if len(self._circuit.outputs) == 0:
            raise UsageError(Diagnostic("KC0550", f"the circuit `{self._circuit.name}` has no `output`",
                                        hint="`trajectory` returns all nodes"))

    def _driven(self, drives: Tensor | None, whole: bool) -> Tensor | None:
        """Volts of driven nodes at the recorded instants; the last stage of a step is at its end."""
        if drives is None:
            return None
        last = drives[..., -1:, -1, :]
        return torch.cat([drives[..., 0, :], last], dim=-2) if whole else last

    def stability(self, lower: ArrayLike = -np.inf, upper: ArrayLike = np.inf) -> Stability:
        """The steps against the fastest rates of the circuit with its present values, whatever ramps switch on.

        lower, upper: volts between which all nodes are, or float64[nodes] without ground as in `trajectory`; ideal rails hold
        in any case. Without limits a product of voltages, or an exponential, has no bound.
        """
        count = self._net.nodes.count
        low, high = np.zeros((2, count))
        low[1:], high[1:] = lower, upper
        circuit = ideal_rails(self.circuit())[0] if self._net is not self._circuit else self.circuit()
        free = circuit.free
        low[free], high[free] = np.maximum(low[free], self._lower[: len(free)]), np.minimum(high[free], self._upper[: len(free)])
        steps = np.zeros(max(len(circuit.phases), 1))
        np.maximum.at(steps, self._schedule.slices, self._schedule.lengths)
        return Stability(rate_bounds(System(circuit), low, high), steps, self._method.reach)

    # ---- parameters ---------------------------------------------------------------------------------------------------

    def project_(self) -> None:
        """Put every parameter into the limits of its declaration, in place; an open end is left by the smallest step."""
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.clamp_(*representable(name, self._limits[name], parameter.dtype))

    def circuit(self) -> Circuit:
        """The circuit with the present values; raises `UsageError` KC0505 for values outside their limits."""
        return self._circuit.with_params({name: parameter.detach().cpu().numpy().astype(np.float64)
                                          for name, parameter in self.named_parameters()})

    def _named(self) -> dict[str, Tensor]:
        """The present parameters by name; to walk over all modules takes longer than the run of a small circuit."""
        return {name: owner._parameters[leaf] for name, (owner, leaf) in self._places.items()}  # pyright: ignore[reportReturnType]

    # ---- construction -------------------------------------------------------------------------------------------------

    def _build(self, whole: bool) -> _Built:
        like = self._buffers["_like"]
        assert like is not None
        key = (like.dtype, like.device, whole)
        if key not in self._built:
            _check_dtype(like.dtype)
            self._built[key] = self._make(like, whole)
        return self._built[key]

    def _make(self, like: Tensor, whole: bool) -> _Built:
        if self._system is None:
            self._system = System(self._net)
        count = self._schedule.count
        problem = Problem(self._system, self._schedule, self._method, self._lower, self._upper,
                          tuple(range(count + 1)) if whole else (count,), like.dtype)
        sizes = {name: parameter.numel() for name, parameter in self.named_parameters()}
        return _Built(make_backend(self._backend, problem, like.device), Columns(problem, sizes, like), Start(problem, like),
                      _own_drives(self._net, problem.stage_times, like), _reader(self._system, whole, like))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_system": None, "_built": {}, "_adaptive": {}}  # made again when needed


class Trajectory(nn.Module):
    """A circuit's module whose call returns all nodes at all steps, [batch, steps + 1, nodes]."""

    def __init__(self, module: CircuitModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, initial: Tensor | None = None, drives: Tensor | None = None) -> Tensor:
        return self.module.trajectory(initial, drives)


def _check_dtype(dtype: torch.dtype) -> None:
    if dtype not in NUMPY:
        raise UsageError(Diagnostic("KC0509", f"circuits are trained in float32 or float64, not in {dtype}"))


def _own_drives(circuit: Circuit, times: np.ndarray, like: Tensor) -> Tensor | None:
    if len(circuit.driven) == 0:
        return None
    parts = [stage_values(Sources(stimulus.wave), times) for stimulus in circuit.stimuli]
    return torch.as_tensor(np.concatenate(parts, axis=2), dtype=like.dtype, device=like.device)


def _reader(system: System, whole: bool, like: Tensor) -> Linear:
    """Rows of the nodes that are returned, from those of unknowns and driven nodes."""
    place = np.zeros(system.circuit.nodes.count, dtype=np.int64)
    place[system.free] = np.arange(len(system.free))
    place[system.driven] = system.size + np.arange(len(system.driven))
    return select(place[1:] if whole else place[system.circuit.outputs], system.size + len(system.driven), like)


def _read(states: Tensor, driven: Tensor | None, reader: Linear) -> Tensor:
    """[batch, records, nodes], from states [batch, records, size] and volts [records, driven], with or without a batch."""
    if driven is not None:
        states = torch.cat([states, driven.expand(*states.shape[:2], -1)], dim=2)
    rows = states.permute(2, 0, 1)
    return reader(rows.flatten(1)).unflatten(1, rows.shape[1:]).permute(1, 2, 0)
