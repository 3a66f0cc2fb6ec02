"""Gaussian noise from a cryptographic stream, added once a step to the clipped sums."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from discreet.errors import PlanError
from discreet.privacy.keys import RunKey
from discreet.privacy.randomness import Stream

if TYPE_CHECKING:
    from torch import Tensor

MITIGATION = "sum of four independent Box-Muller normals over 2, float64, rounded to float32 after division"
_PURPOSE = "noise"
_SUMMANDS = 4
_PAIRS = 4096  # pairs of normals a block: its draws (256 KiB) stay in the processor's cache
_BLOCK = 2 * _PAIRS
_DRAWS = 2 * _SUMMANDS * _PAIRS
_BLOCKS_WITHOUT_THREADS = 4


@dataclass(frozen=True)
class GaussianNoise:
    """The noise of every step; made by `PrivacyPlan.noise`.

    **Guarantees**: standard deviation noise_multiplier · sensitivity for each number of
    the sum; independent between steps and between names; the same key, step, name and
    shape give the same bits, so that a step done again is the same release.

    A float64 Gaussian made from two uniforms leaves gaps between its possible values, and
    they betray the sum underneath (arXiv 2112.05307: 92 % success). Here each normal is the
    sum of four independent ones over 2: 416 random bits for two numbers of 53 bits leave no
    gap to look for (arXiv 2107.10138), and the result is rounded to float32.

    Args:
        key: the run's key, *SENSITIVE*.
        noise_multiplier: as accounted, *Public*.
        sensitivity: the most one unit can move the sums (2-norm over all names together),
            asked of the clipper, *Public*.
        divisor: the plan's expected_batch_size, *Public*; never the realised batch.
    """

    key: RunKey
    noise_multiplier: float
    sensitivity: float
    divisor: int

    def __post_init__(self) -> None:
        for name in ("noise_multiplier", "sensitivity", "divisor"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise PlanError(f"{name} is {value}; it must be a finite number above 0")

    @property
    def standard_deviation(self) -> float:
        """Of each number of the sum, before division."""
        return self.noise_multiplier * self.sensitivity

    def noise_array(self, step: int, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """The noise of one named array at one step, *SENSITIVE* until it is added."""
        noise = standard_normal(self.key.stream(_PURPOSE, step, name), math.prod(shape))
        noise *= self.standard_deviation
        return noise.reshape(shape)

    def privatise(self, sums: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """(clipped sum + noise) / divisor, each in float64, as float32 on the sum's device.

        Args:
            sums: one step's clipped sums over the whole logical batch, *SENSITIVE*; a step
                with an empty batch has zeros.
            step: counted from 0.

        Returns: the released gradients, by name.
        """
        import torch

        released: dict[str, Tensor] = {}
        for name, clipped_sum in sums.items():
            noise = torch.from_numpy(self.noise_array(step, name, tuple(clipped_sum.shape)))  # pyright: ignore[reportUnknownMemberType] -- torch leaves it untyped
            noise += clipped_sum.detach().to("cpu", torch.float64)
            noise /= self.divisor
            released[name] = noise.to(clipped_sum.device, torch.float32)
        return released


def standard_normal(stream: Stream, count: int) -> NDArray[np.float64]:
    """Independent standard normals, float64 [count]; threads do not change them."""
    normals = np.empty(count, np.float64)
    starts = range(0, count, _BLOCK)

    def fill(start: int) -> None:
        part = normals[start : start + _BLOCK]
        part[:] = _normal_block(stream, start // _BLOCK)[: len(part)]

    if len(starts) <= _BLOCKS_WITHOUT_THREADS:
        for start in starts:
            fill(start)
    else:  # numpy computes outside the interpreter's lock
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
            for _ in threads.map(fill, starts):
                pass
    return normals


def _normal_block(stream: Stream, block: int) -> NDArray[np.float64]:
    """Block number `block` of a stream's normals, float64 [_BLOCK].

    Box-Muller: sqrt(-2 ln u)·cos(2πv) and ·sin(2πv) are two independent normals. The half
    that makes the sum of four standard again is taken into the root.
    """
    radii, angles = stream.uniform(_DRAWS, start=block * _DRAWS).reshape(2, _SUMMANDS, _PAIRS)
    np.log(radii, out=radii)
    radii *= -0.5
    np.sqrt(radii, out=radii)
    angles *= 2 * math.pi
    normals = np.empty(_BLOCK, np.float64)
    cosines = np.cos(angles)
    cosines *= radii
    cosines.sum(axis=0, out=normals[:_PAIRS])
    np.sin(angles, out=angles)
    angles *= radii
    angles.sum(axis=0, out=normals[_PAIRS:])
    return normals
