"""Weights, pictures and generators that are the same on every machine."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import replace
from functools import cache
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from discreet.m2fp import M2FP, Targets, make_targets
from discreet.m2fp.presets import Architecture, preset

NUM_PARTS = 5
_Module = TypeVar("_Module", bound=nn.Module)
_TABLES = ("level_embed.weight", "query_embed.weight", "query_feat.weight")


def numbers(key: str, shape: tuple[int, ...]) -> Tensor:
    """Uniform in −1 to 1, float64, following from the key alone."""
    seed = np.frombuffer(hashlib.sha256(key.encode()).digest(), np.uint32)
    return torch.from_numpy(np.random.default_rng(seed).random(shape) * 2 - 1)


def fill(module: _Module) -> _Module:
    """Every weight and statistic from its name; nothing stays at zero or one, which would hide mistakes."""
    with torch.no_grad():
        for key, tensor in module.state_dict().items():
            if not tensor.is_floating_point():
                continue
            values = numbers(key, tuple(tensor.shape))
            if key.endswith("running_var") or ("norm" in key and key.endswith("weight")):
                values = 1 + values / 2
            elif tensor.ndim > 1 and not key.endswith(_TABLES):
                values = values * (3 / tensor[0].numel()) ** 0.5
            tensor.copy_(values)
    return module


def small(name: str, *, human: bool = True, **sizes: int) -> Architecture:
    """A preset with the depth taken out; m2fp-lite keeps its backbone."""
    shape = preset(name, NUM_PARTS + human, human=human)
    if not shape.is_lite:
        sizes = {"backbone_depths": (1, 1, 1, 1), "encoder_layers": 1, "encoder_hidden": 64, **sizes}
    return replace(shape, **{"decoder_layers": 3, "num_queries": 12, "decoder_hidden": 64, **sizes})


def small_model(name: str) -> M2FP:
    """A filled network of reduced depth, in float64."""
    return copy.deepcopy(_filled(name))


@cache
def _filled(name: str) -> M2FP:
    """Filling takes longer than copying."""
    return fill(M2FP(small(name)).double())


def scene(index: int, height: int = 72, width: int = 56) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Part and person maps with `index` people in three stripes each; a strip on top is not labelled."""
    parts = np.zeros((height, width), np.uint8)
    persons = np.zeros((height, width), np.uint8)
    for person in range(index):
        left, stripe = 4 + person * (width - 8) // index, (height - 16) // 3
        for number in range(3):
            rows = slice(8 + number * stripe, 8 + (number + 1) * stripe)
            parts[rows, left : left + (width - 8) // index - 2] = (number + person) % (NUM_PARTS - 1) + 1
            persons[rows, left : left + (width - 8) // index - 2] = person + 1
    parts[:3] = 255
    return parts, persons


def scene_targets(index: int, height: int = 72, width: int = 56) -> Targets:
    """Targets of a scene."""
    return make_targets(*scene(index, height, width), num_parts=NUM_PARTS, human=True)


def generators(*seeds: int) -> list[torch.Generator]:
    """One a picture."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]
