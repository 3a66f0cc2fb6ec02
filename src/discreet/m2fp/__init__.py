"""M2FP: networks, criterion and weights.

The room knows nothing of data sets or privacy; it promises that a picture's loss depends on that
picture alone, and keeps every parameter where a per-sample clipper sees it.
"""

from discreet.m2fp.criterion import CriterionSettings, criterion, losses_by_output
from discreet.m2fp.decisions import Decisions
from discreet.m2fp.imagenet import load_imagenet_lite0
from discreet.m2fp.low_rank import merge_adapters
from discreet.m2fp.model import M2FP, absorb_statistics, build, set_activation_checkpointing, set_trainable
from discreet.m2fp.output import M2FPOutput
from discreet.m2fp.presets import PIXEL_MEAN, PIXEL_STD
from discreet.m2fp.released import dump_released, load_released
from discreet.m2fp.targets import Targets, make_targets
from discreet.m2fp.weights import ModelInfo, load_model, save_model

__all__ = [
    "M2FP",
    "PIXEL_MEAN",
    "PIXEL_STD",
    "CriterionSettings",
    "Decisions",
    "M2FPOutput",
    "ModelInfo",
    "Targets",
    "absorb_statistics",
    "build",
    "criterion",
    "dump_released",
    "load_imagenet_lite0",
    "load_model",
    "load_released",
    "losses_by_output",
    "make_targets",
    "merge_adapters",
    "save_model",
    "set_activation_checkpointing",
    "set_trainable",
]
