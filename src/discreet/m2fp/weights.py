"""Weights on disk: safetensors with their hash, never pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from discreet.errors import DiscreetError, WeightsError
from discreet.labels import LabelSet, describe_label_set, read_label_set
from discreet.m2fp.model import M2FP
from discreet.m2fp.presets import Architecture

WEIGHTS_FILE = "model.safetensors"
DESCRIPTION_FILE = "model.json"
_FORMAT = 1


@dataclass(frozen=True)
class ModelInfo:
    """What a saved model says of itself. *Public*

    Args:
        labels: of the parts it finds.
        image_size: height and width of the pictures it was trained on, in pixels.
        sha256: of the weights file.
        extra: whatever else was saved with it.
    """

    labels: LabelSet
    image_size: tuple[int, int]
    sha256: str
    extra: dict[str, Any] = field(default_factory=dict)


def save_model(
    folder: Path,
    model: M2FP,
    labels: LabelSet,
    *,
    image_size: tuple[int, int],
    dtype: Literal["float32", "float16"] = "float32",
    extra: Mapping[str, Any] | None = None,
) -> str:
    """Write model.safetensors and model.json; returns the weights' SHA-256.

    Args:
        folder: created if missing.
        model: its whole state is written.
        labels: of the data it was trained on. *Public*
        image_size: height and width, in pixels. *Public*
        dtype: float16 halves the file; loading widens it to float32 again.
        extra: for the JSON file. *Public*

    Raises:
        WeightsError: the labels do not fit the model, or a weight does not fit float16.
    """
    if len(labels) + model.human != model.num_classes:
        raise WeightsError(
            f"label set {labels.name!r} has {len(labels)} parts, the model {model.num_classes - model.human}; "
            "save it with the labels it was built for"
        )
    data = safetensors.torch.save({key: _narrow(key, value, dtype) for key, value in model.state_dict().items()})
    digest = hashlib.sha256(data).hexdigest()
    description = {
        **_describe(model, labels),
        "image_size": list(image_size),
        "dtype": dtype,
        "sha256": digest,
        "extra": dict(extra or {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / WEIGHTS_FILE, data)
    _replace(folder / DESCRIPTION_FILE, (json.dumps(description, indent=1, ensure_ascii=False) + "\n").encode())
    return digest


def load_model(folder: Path) -> tuple[M2FP, ModelInfo]:
    """Read what save_model wrote; half-precision weights are widened to float32.

    Raises:
        WeightsError: a file is missing or damaged, or the weights are not those of the description.
    """
    folder = Path(folder)
    description = _read_description(folder / DESCRIPTION_FILE)
    try:
        data = (folder / WEIGHTS_FILE).read_bytes()
    except OSError:
        raise WeightsError(f"{folder / WEIGHTS_FILE} is missing; copy the whole folder of the model") from None
    digest = hashlib.sha256(data).hexdigest()
    if digest != description["sha256"]:
        raise WeightsError(
            f"{folder / WEIGHTS_FILE} was changed: its SHA-256 is {digest[:12]}…, {DESCRIPTION_FILE} says "
            f"{str(description['sha256'])[:12]}…; fetch the model anew"
        )
    try:
        info = ModelInfo(
            read_label_set(description["label_set"]),
            _read_size(description["image_size"]),
            digest,
            description["extra"],
        )
        model = M2FP(Architecture.from_dict(description["architecture"]))
        state = {key: _widen(value) for key, value in safetensors.torch.load(data).items()}
        model.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError, DiscreetError) as problem:
        reason = str(problem).splitlines()[0]
        raise WeightsError(f"{folder} holds no model that this version can load: {reason}") from None
    return model, info


def _narrow(key: str, value: Tensor, dtype: str) -> Tensor:
    """A contiguous copy on the CPU, in the file's precision."""
    value = value.detach().cpu().contiguous()
    if dtype == "float32" or not value.is_floating_point():
        return value.float() if value.is_floating_point() else value
    narrow = value.to(torch.float16)
    if not bool((narrow.isfinite() == value.isfinite()).all()):
        raise WeightsError(f"{key} holds numbers beyond the range of float16; save it as float32")
    return narrow


def _widen(value: Tensor) -> Tensor:
    """Half precision becomes single."""
    return value.float() if value.is_floating_point() else value


def _describe(model: M2FP, labels: LabelSet) -> dict[str, Any]:
    """What follows from the model and its labels."""
    mean, std = model.shape.normalisation
    return {
        "format": _FORMAT,
        "architecture": model.architecture(),
        "label_set": describe_label_set(labels),
        "normalisation": {"mean": mean, "std": std},
    }


def _read_size(described: int | list[int]) -> tuple[int, int]:
    """Height and width; the side of a square counts as both."""
    height, width = (described, described) if isinstance(described, int) else described
    return int(height), int(width)


def _read_description(path: Path) -> dict[str, Any]:
    """model.json of a known format."""
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise WeightsError(f"{path} is missing; give the folder of a saved model") from None
    except ValueError:
        raise WeightsError(f"{path} is not JSON; fetch the model anew") from None
    wanted = {"format", "architecture", "label_set", "image_size", "normalisation", "sha256"}
    if not isinstance(description, dict) or not wanted <= set(description) or description["format"] != _FORMAT:
        raise WeightsError(f"{path} does not describe a model of format {_FORMAT}; save it with this version")
    return {"extra": {}, **description}


def _replace(path: Path, data: bytes) -> None:
    """Write beside the file, then take its place: no half-written weights."""
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(data)
    beside.replace(path)
