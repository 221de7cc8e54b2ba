"""How inputs become starting voltages, and targets the numbers that are read out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kcompile.ir.circuit import frozen
from kcompile.train.data import Data
from kcompile.train.recipe import Recipe

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Encoding:
    """Volts = offset + gain * input, within plus and minus limit; value = target_offset + target_gain * number learned.

    gain, offset: float64[features]; limit: None for none; target_gain, target_offset: float64[numbers], empty for classes.
    """

    gain: np.ndarray
    offset: np.ndarray
    limit: float | None
    target_gain: np.ndarray
    target_offset: np.ndarray

    def volts(self, inputs: torch.Tensor) -> torch.Tensor:
        """Starting voltages of inputs [batch, features], in their dtype."""
        gain, offset = (inputs.new_tensor(part) for part in (self.gain, self.offset))
        volts = offset + gain * inputs
        return volts if self.limit is None else volts.clamp(-self.limit, self.limit)

    def numbers(self, targets: torch.Tensor) -> torch.Tensor:
        """What is learned of targets [batch, numbers]."""
        gain, offset = (targets.new_tensor(part) for part in (self.target_gain, self.target_offset))
        return (targets - offset) / gain


def make_encoding(data: Data, recipe: Recipe) -> Encoding:
    """Encoding of a recipe; means and deviations are those of the training part."""
    mean, deviation = _spread(data.train.inputs, recipe.standardize)
    target_mean, target_deviation = _spread(data.train.targets if not data.classes else np.zeros((2, 0)),
                                            recipe.standardize_targets)
    gain = recipe.input_scale / deviation
    return Encoding(frozen(gain), frozen(recipe.input_offset - gain * mean), recipe.input_limit,
                    frozen(target_deviation), frozen(target_mean))


def _spread(values: np.ndarray, wanted: bool) -> tuple[np.ndarray, np.ndarray]:
    """(mean, deviation) of columns; 0 and 1 where they are not wanted, and 1 for a column that does not vary."""
    columns = values.shape[1]
    if not wanted:
        return np.zeros(columns), np.ones(columns)
    exact = values.astype(np.float64)
    deviation = exact.std(axis=0)
    return exact.mean(axis=0), np.where(deviation > 0, deviation, 1.0)
