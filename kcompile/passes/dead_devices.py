"""The pass `dead-devices`: without devices that no output can see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kcompile.ir.circuit import Circuit
from kcompile.passes.base import Contract, Pass, PassLog, devices


@dataclass(frozen=True)
class DeadDevices(Pass):
    """Removes devices whose current can reach no output, through any other device.

    Outputs are the declared ones and the ports that are not driven; a circuit without either keeps everything. Capacitors
    stay with their nodes, which `dead-nodes` removes.
    """

    name: ClassVar[str] = "dead-devices"
    contract: ClassVar[Contract] = Contract.EXACT

    def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
        from kcompile.passes.liveness import live_nodes, live_rows
        from kcompile.passes.models import take_masked

        keep = [rows | table.model.has_charge
                for rows, table in zip(live_rows(circuit, live_nodes(circuit)), circuit.tables, strict=True)]
        made = take_masked(circuit, keep)
        log.count("devices", devices(circuit), devices(made))
        return made


PASS = DeadDevices
