"""Optimizers of torch.optim by name, and the learning rate of every step."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kcompile.diagnostics import Diagnostic, UsageError, accepted, nearest, printable
from kcompile.train.recipe import Recipe

if TYPE_CHECKING:
    import torch

_UNFIT = {"Optimizer", "LBFGS", "SparseAdam", "Muon"}
"""Not an optimizer itself, evaluates the loss itself, takes sparse gradients only, takes matrices only."""

_OURS = {"params", "lr"}


def make_optimizer(recipe: Recipe, parameters: Sequence[torch.Tensor]) -> torch.optim.Optimizer:
    """The optimizer of a recipe; raises `UsageError` KC0567 for a name or an option that torch.optim does not have."""
    import torch

    known = {name: one for name, one in vars(torch.optim).items()
             if inspect.isclass(one) and issubclass(one, torch.optim.Optimizer) and name not in _UNFIT}
    if recipe.optimizer not in known:
        raise UsageError(Diagnostic("KC0567", f"`optimizer` is `{printable(recipe.optimizer, 40)}`, none of torch.optim for "
                                    "gradients of batches", hint=nearest(recipe.optimizer, known) or accepted(known, 20)))
    kind = known[recipe.optimizer]
    taken = set(inspect.signature(kind).parameters) - _OURS
    for name in recipe.optimizer_options:
        if name not in taken:
            hint = "the rate is the key `rate`" if name == "lr" else nearest(name, taken) or accepted(taken, 20)
            raise UsageError(Diagnostic("KC0567", f"`{recipe.optimizer}` has no option `{printable(name, 40)}`", hint=hint))
    # One pass over all numbers, a third of the time; torch refuses it beside these options.
    fast = {"fused": True} if "fused" in taken and not {"foreach", "differentiable"} & set(recipe.optimizer_options) else {}
    try:
        return kind(parameters, **{"lr": recipe.rate, **fast, **recipe.optimizer_options})
    except (TypeError, ValueError, RuntimeError) as error:
        reason = printable(str(error), 120)
        raise UsageError(Diagnostic("KC0567", f"`{recipe.optimizer}` refuses its options: {reason}")) from None


def learning_rate(recipe: Recipe, step: int, steps_of_epoch: int) -> float:
    """Rate of one step of the optimizer, counted from 0 over the whole training."""
    total = recipe.epochs * steps_of_epoch
    warm = round(recipe.warmup * total)
    if step < warm:
        return recipe.rate * (step + 1) / warm
    if recipe.schedule == "cosine":
        return recipe.rate * 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(total - warm, 1)))
    if recipe.schedule == "step":
        return recipe.rate * recipe.decay ** (step // steps_of_epoch // recipe.decay_epochs)
    return recipe.rate
