"""The published networks written naively: edge lists by plain loops, laws in numpy, and synthetic checkpoints of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Edges = list[tuple[int, int]]

LAWS: dict[str, tuple[int, Callable[..., np.ndarray]]] = {
    "ShiftRelu1": (2, lambda s, d, p: p[1] * np.maximum(s - d - p[0], 0)),
    "ShiftLeakyRelu1": (2, lambda s, d, p: p[1] * np.where(s - d - p[0] > 0, 1, 0.01) * (s - d - p[0])),
    "ShiftRelu2": (3, lambda s, d, p: np.maximum(p[0] * s + p[1] * d + p[2], 0)),
    "ShiftLeakyRelu2": (3, lambda s, d, p: np.where(p[0] * s + p[1] * d + p[2] > 0, 1, 0.01) * (p[0] * s + p[1] * d + p[2])),
    "ShiftTanh1": (3, lambda s, d, p: np.tanh(p[1] * (s - d) + p[0])),
    "ShiftTanh2": (3, lambda s, d, p: np.tanh(p[0] * s + p[1] * d + p[2])),
    "Conductance": (3, lambda s, d, p: p[0] * (s - d)),
}
"""Rows that the public code stores, and the current from s to d."""


def fully_connect(num_node: int, include_gnd: bool = True, repeat: tuple[int, int] = (1, 1)) -> Edges:
    edges = []
    nodes = range(num_node) if include_gnd else range(1, num_node + 1)
    for i in nodes:
        for j in nodes:
            if i != j:
                edges += [(i, j)] * repeat[0]
                edges += [(j, i)] * repeat[1]
    return edges


def simple_connect(num_node: int, include_gnd: bool = True, repeat: tuple[int, int] = (1, 1)) -> Edges:
    first = 0 if include_gnd else 1
    return [(i, i + 1) for i in range(first, first + num_node) for _ in range(repeat[0])]


def neighbor_index(num_channel: int, width: int, height: int, neighbor_size: int, padding: bool = False, repeat: int = 1,
                   sharing: bool = False, parallel: int = 1) -> Edges:
    """Windows of a picture with a rim of zeros, which are no nodes."""
    rim = neighbor_size - 1 if padding else 0
    picture = np.zeros((num_channel, width + 2 * rim, height + 2 * rim), dtype=int)
    number = 1
    for c in range(num_channel):
        for i in range(width):
            for j in range(height):
                picture[c, i + rim, j + rim] = number
                number += 1
    edges = []
    for i in range(picture.shape[1] - neighbor_size + 1):
        for j in range(picture.shape[2] - neighbor_size + 1):
            window = [int(n) for n in picture[:, i : i + neighbor_size, j : j + neighbor_size].ravel()]
            for source_place, source in enumerate(window):
                for target_place, target in enumerate(window):
                    if source_place != target_place and source != 0 and target != 0:
                        edges += [(source, target)] * repeat
    return edges


def mix_connect(num_channel: int, width: int, height: int, neighbor_size: int, fully_connect_node: int,
                repeat: tuple[int, int] = (1, 0), padding: bool = False, kernel_repeat: int = 1, sharing: bool = False,
                parallel: int = 1) -> Edges:
    edges = neighbor_index(num_channel, width, height, neighbor_size, padding, kernel_repeat)
    pixels = num_channel * width * height
    for node in range(1, pixels + 1):
        edges += [(node, 0)] * repeat[0]
        edges += [(0, node)] * repeat[1]
    for extra in range(pixels + 1, pixels + 1 + fully_connect_node):
        for node in range(pixels + 1):
            edges += [(node, extra)] * repeat[0]
            edges += [(extra, node)] * repeat[1]
    return edges


TOPOLOGIES = {"_fully_connect": fully_connect, "_simple_connect": simple_connect, "_neighbor_index": neighbor_index,
              "_mix_connect": mix_connect}


class Published:
    """A network with random parameters: its files, its edges, its right-hand side."""

    def __init__(self, law: str, layers: list[tuple[str, dict[str, Any]]], ends: list[float], *, bench: str = "mnist",
                 network: dict[str, Any] | None = None, seed: int = 0, rows: int | None = None) -> None:
        rng = np.random.default_rng(seed)
        self.law, self.layers, self.ends = law, layers, ends
        self.edges = [TOPOLOGIES[name](**arguments) for name, arguments in layers]
        self.counts = [max(max(edge) for edge in edges) for edges in self.edges]
        stored = LAWS[law][0] if rows is None else rows
        # PyTorch stores float32.
        self.params = [rng.normal(scale=np.sqrt(2 / len(edges)), size=(stored, len(edges))).astype(np.float32)
                       for edges in self.edges]
        self.config = {"test_bench": bench, "batch_size": 32, "train": {"lr": "1e-3"},
                       "network": {"adjoint": True, "model": {"args": {}, "name": law},
                                   "net_struct": [{"name": n, "args": _plain(a)} for n, a in layers], **(network or {})},
                       "simulation": {"t_end": ends, "tol": "1e-3", "method": "dopri5"}}

    def write(self, folder: Path) -> tuple[Path, Path]:
        """(configuration, checkpoint) in a folder."""
        import torch
        import yaml

        config, checkpoint = folder / "config.yaml", folder / "model.pth"
        config.write_text(yaml.dump(self.config), "utf-8")
        torch.save({f"circuit.layer_list.{k}.model.param": torch.from_numpy(p) for k, p in enumerate(self.params)}, checkpoint)
        return config, checkpoint

    def rates(self, layer: int, v: np.ndarray) -> np.ndarray:
        """dv/dt of the nodes 1, 2, ... of a layer, one edge after the other."""
        full = np.concatenate([[0.0], v])
        out = np.zeros_like(full)
        for k, (source, target) in enumerate(self.edges[layer]):
            current = LAWS[self.law][1](full[source], full[target], self.params[layer][:, k].astype(float))
            out[source] -= current
            out[target] += current
        return out[1:]


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in arguments.items()}
