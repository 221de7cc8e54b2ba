"""Names inside one law: its terminals, inner states, waveforms and parameters, as a language may say them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kcompile.ir.device import DeviceModel
from kcompile.lower.spice_names import Namespace


@dataclass(frozen=True)
class LawNames:
    """Name by source name; terminals, states and waveforms are nodes."""

    terminals: Mapping[str, str]
    states: Mapping[str, str]
    waves: Mapping[str, str]
    params: Mapping[str, str]

    def symbols(self, voltage: str, parameter: str) -> dict[str, str]:
        """Text of each symbol of the law; `voltage` and `parameter` say how a node and a parameter are spelled, at `%s`."""
        nodes = {f"V({name})": node for name, node in self.terminals.items()} | {**self.states, **self.waves}
        return {name: voltage % node for name, node in nodes.items()} | {
            name: parameter % text for name, text in self.params.items()}


def name_law(model: DeviceModel, nodes: Namespace, params: Namespace) -> LawNames:
    """Names of a law; the two namespaces are one where a language keeps nodes and parameters in one."""
    return LawNames(
        {name: nodes.claim(name) for name in model.terminals},
        {state.name: nodes.claim(f"state_{state.name}") for state in model.states},
        {param.name: nodes.claim(f"wave_{param.name}") for param in model.waveforms},
        {param.name: params.claim(param.name) for param in model.params if param.waveform is None})
