"""Images moved and turned at random, so that a net learns shapes and not places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.train.recipe import Recipe

if TYPE_CHECKING:
    import torch


def check_augmentation(recipe: Recipe, image: tuple[int, int, int] | None) -> None:
    """Raise `UsageError` KC0567 where samples that are no images are to be moved or turned."""
    if image is None and recipe.augmentation:
        raise UsageError(Diagnostic("KC0567", f"`{recipe.augmentation[0]}` moves images, and these samples are none",
                                    hint="images are arrays (n, height, width) or (n, channels, height, width)"))


def draw_motions(count: int, image: tuple[int, int, int], recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """float64[count, 2, 3]: affine maps that move by up to `shift` pixels, turn by up to `rotation` degrees, and make larger or
    smaller by up to the share `zoom`."""
    _, height, width = image
    angle = np.deg2rad(rng.uniform(-recipe.rotation, recipe.rotation, count))
    # Coordinates of grid_sample go from -1 to 1 over the image.
    moved = rng.uniform(-recipe.shift, recipe.shift, (count, 2)) * np.array([2.0 / width, 2.0 / height])
    turn = np.array([[np.cos(angle), -np.sin(angle) * height / width], [np.sin(angle) * width / height, np.cos(angle)]])
    turn *= 1.0 + rng.uniform(-recipe.zoom, recipe.zoom, count)
    return np.concatenate([turn.transpose(2, 0, 1), moved[:, :, None]], axis=2)


def move(inputs: torch.Tensor, image: tuple[int, int, int], motions: np.ndarray) -> torch.Tensor:
    """Images [batch, pixels] after their motions; what comes in is 0."""
    import torch
    from torch.nn.functional import grid_sample

    count, (_, height, width) = len(inputs), image
    y, x = np.divmod(np.arange(height * width), width)
    pixels = np.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1, np.ones(height * width)])
    # One product for all images takes a twentieth of the time of affine_grid.
    grid = (torch.as_tensor(motions, dtype=inputs.dtype).reshape(-1, 3) @ torch.as_tensor(pixels, dtype=inputs.dtype)
            ).reshape(count, 2, height, width).permute(0, 2, 3, 1)
    return grid_sample(inputs.reshape(count, *image), grid, align_corners=False).reshape(count, -1)
