"""Checkpoints: what a run needs to go on exactly where it was.

They live in the state folder, never in the folder that is handed out. A checkpoint is two
parts in one safetensors file: tensors (weights, optimizer moments, EMA) and a JSON header (step,
configuration hash). No pickle is ever read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from discreet.errors import CheckpointError
from discreet.privacy.secret_files import sync_folder


@dataclass(frozen=True)
class Checkpoint:
    """State after `step` finished steps. *SENSITIVE*: kept where the run's key is.

    Args:
        step: number of finished steps.
        config_hash: of the settings it belongs to.
        tensors: groups of named tensors, e.g. {"model": …, "optimizer": …, "ema": …}.
    """

    step: int
    config_hash: str
    tensors: Mapping[str, Mapping[str, Tensor]]


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write atomically: a reader finds the old or the new one, whole."""
    flat = {
        f"{group}/{name}": tensor.detach().contiguous()
        for group, tensors in checkpoint.tensors.items()
        for name, tensor in tensors.items()
    }
    header = {"step": str(checkpoint.step), "config_hash": checkpoint.config_hash}
    temporary = path.with_suffix(".partial")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.close(descriptor)
    save_file(flat, temporary, metadata={"discreet": json.dumps(header)})
    with temporary.open("rb") as written:
        os.fsync(written.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def read_checkpoint(path: Path, config_hash: str) -> Checkpoint | None:
    """Read back what `write_checkpoint` wrote; None where nothing was written yet.

    Raises:
        CheckpointError: damaged, or of a run with another configuration.
    """
    if not path.exists():
        return None
    tensors: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(path, framework="pt") as stored:
            header = json.loads((stored.metadata() or {})["discreet"])
            for key in stored.keys():  # noqa: SIM118  (not a mapping)
                group, _, name = key.partition("/")
                tensors.setdefault(group, {})[name] = stored.get_tensor(key)
    except (SafetensorError, OSError, KeyError, ValueError) as problem:
        raise CheckpointError(f"the checkpoint is damaged ({type(problem).__name__}); start the run anew") from None
    if header["config_hash"] != config_hash:
        raise CheckpointError(
            "the run was started with another configuration; resume with the settings in its config.toml, "
            "or start a new run in another folder"
        )
    return Checkpoint(int(header["step"]), header["config_hash"], tensors)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's moments as named tensors, "parameter position/field"."""
    return {
        f"{position}/{field}": torch.as_tensor(value)
        for position, fields in optimizer.state_dict()["state"].items()
        for field, value in fields.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        position, _, field = key.partition("/")
        state.setdefault(int(position), {})[field] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
