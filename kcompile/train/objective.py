"""What a training makes small, and the figure that people read beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kcompile.train.encoding import Encoding
from kcompile.train.recipe import Recipe

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Objective:
    """Loss of read-out voltages against targets. `figure` is what `score` counts: accuracy, or the rms error of numbers."""

    recipe: Recipe
    encoding: Encoding

    @property
    def figure(self) -> str:
        return "accuracy" if self.recipe.labels else "rms_error"

    def values(self, outputs: torch.Tensor) -> torch.Tensor:
        """Logits or numbers [batch, values] of output voltages [batch, outputs]."""
        single = outputs if self.recipe.readout == "single" else outputs[:, 0::2] - outputs[:, 1::2]
        return self.recipe.scale * single

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean loss of a batch, a scalar."""
        from torch.nn.functional import cross_entropy, mse_loss, one_hot

        values = self.values(outputs)
        if self.recipe.loss == "cross-entropy":
            return cross_entropy(values, targets)
        if self.recipe.loss == "one-hot":
            return mse_loss(values, one_hot(targets, values.shape[1]).to(values.dtype))
        return mse_loss(values, self.encoding.numbers(targets))

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> float:
        """Sum over a batch: samples whose class is right, or squared errors of numbers in units of the target, by number."""
        values = self.values(outputs)
        if self.recipe.labels:
            return float((values.argmax(dim=1) == targets).sum())
        error = (values - self.encoding.numbers(targets)) * values.new_tensor(self.encoding.target_gain)
        return float(error.double().square().mean(dim=1).sum())

    def result(self, score: float, count: int) -> float:
        """The figure of a sum of scores of so many samples."""
        return score / count if self.recipe.labels else (score / count) ** 0.5
