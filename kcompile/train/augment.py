"""Images moved, turned and bent at random, so that a net learns shapes and not places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.train.recipe import Recipe

if TYPE_CHECKING:
    import torch

KNOTS = 5
"""Knots along each side of an image that bends."""


@dataclass(frozen=True, eq=False)
class Motions:
    """Of images, in the coordinates of torch's `grid_sample`: affine maps float64[images, 2, 3], and how far knots move,
    float64[images, 2, rows, columns], without rows where nothing bends."""

    maps: np.ndarray
    bends: np.ndarray

    def __getitem__(self, part: slice) -> Motions:
        return Motions(self.maps[part], self.bends[part])


def check_augmentation(recipe: Recipe, image: tuple[int, int, int] | None) -> None:
    """Raise `UsageError` KC0567 where samples that are no images are to be moved or turned."""
    if image is None and recipe.augmentation:
        raise UsageError(Diagnostic("KC0567", f"`{recipe.augmentation[0]}` moves images, and these samples are none",
                                    hint="images are arrays (n, height, width) or (n, channels, height, width)"))


def draw_motions(count: int, image: tuple[int, int, int], recipe: Recipe, rng: np.random.Generator) -> Motions:
    """Moves by up to `shift` pixels, turns by up to `rotation` degrees, sizes larger or smaller by up to the share `zoom`, and
    bends in which each knot of a grid moves by up to `elastic` pixels.

    Bends: P. Simard, D. Steinkraus, J. Platt, Best practices for convolutional neural networks applied to visual document
    analysis, ICDAR 2003, with knots in the place of a blurred field.
    """
    _, height, width = image
    angle = np.deg2rad(rng.uniform(-recipe.rotation, recipe.rotation, count))
    # Coordinates of grid_sample go from -1 to 1 over the image.
    pixel = np.array([2.0 / width, 2.0 / height])
    moved = rng.uniform(-recipe.shift, recipe.shift, (count, 2)) * pixel
    turn = np.array([[np.cos(angle), -np.sin(angle) * height / width], [np.sin(angle) * width / height, np.cos(angle)]])
    turn *= 1.0 + rng.uniform(-recipe.zoom, recipe.zoom, count)
    knots = KNOTS if recipe.elastic else 0
    bends = rng.uniform(-recipe.elastic, recipe.elastic, (count, 2, knots, knots)) * pixel[:, None, None]
    return Motions(np.concatenate([turn.transpose(2, 0, 1), moved[:, :, None]], axis=2), bends)


def move(inputs: torch.Tensor, image: tuple[int, int, int], motions: Motions) -> torch.Tensor:
    """Images [batch, pixels] after their motions; what comes in is 0."""
    import torch
    from torch.nn.functional import grid_sample, interpolate

    count, (_, height, width) = len(inputs), image
    y, x = np.divmod(np.arange(height * width), width)
    pixels = np.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1, np.ones(height * width)])
    # One product for all images takes a twentieth of the time of affine_grid.
    grid = (torch.as_tensor(motions.maps, dtype=inputs.dtype).reshape(-1, 3) @ torch.as_tensor(pixels, dtype=inputs.dtype)
            ).reshape(count, 2, height, width)
    if motions.bends.size:
        bends = torch.as_tensor(motions.bends, dtype=inputs.dtype)
        grid += interpolate(bends, (height, width), mode="bicubic", align_corners=True)
    return grid_sample(inputs.reshape(count, *image), grid.permute(0, 2, 3, 1), align_corners=False).reshape(count, -1)
