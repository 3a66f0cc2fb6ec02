"""A trained network in the key layout of the released M2FP, for whoever runs that today.

tests/equivalence/test_modelscope.py loads what is written here into ModelScope's own network, and compares answers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from discreet.errors import ConfigurationError, WeightsError
from discreet.export.evidence import copy_evidence
from discreet.m2fp import M2FP, build, dump_released, load_model, load_released
from discreet.m2fp.torch_backend import TorchBackend

PTH_FILE, SAFETENSORS_FILE, NOTE_FILE = "model.pth", "model.safetensors", "README.md"
# The same float32 operations in the same order.
LARGEST_DIFFERENCE = 1e-4
_TRIED_SIZE = (96, 160)
_NOTE = """# {name}, in the key layout of the released M2FP

- `{pth}`: a plain dictionary of float32 tensors, for `torch.load(..., weights_only=True)`; `{safetensors}`: the same.
- {num_classes} classes: {labels}.
- Pictures are RGB, 0 to 255, mean 123.675, 116.28, 103.53, deviation 58.395, 57.12, 57.375.
- Licence: the released M2FP weights are CC BY-NC 4.0. If training started from them, these weights inherit that, and
  may not be used commercially. If not, they are yours.
- 许可：官方发布的 M2FP 权重为 CC BY-NC 4.0。若训练以其为起点，则本权重继承该许可，不得商用；否则归您所有。
- What is guaranteed to the people in the training pictures stands in the run's `statement.json`, which lies beside this
  where the run has one.
- 对训练图片中人物的保证见该次训练的 `statement.json`（若有，已附于此）。
"""


def export_released(source: Path, out: Path, *, name: str) -> float:
    """Write the weights of a run under the released names, read them back, and compare answers.

    Args:
        source: folder with model.safetensors and model.json, of m2fp-r50 or m2fp-r101.
        out: new or empty folder.
        name: of the model, for the note.

    Returns:
        The largest difference of any logit.

    Raises:
        ConfigurationError: `out` is not empty.
        DataError: the run's statement, metrics or audit are damaged.
        WeightsError: m2fp-lite has no released layout, the weights cannot be loaded, or what was written answers
            otherwise.
    """
    if out.exists() and any(out.iterdir()):
        raise ConfigurationError(f"{out} is not empty; name a new folder")
    model, info = load_model(source)
    tensors = released_state(model)
    copy_evidence(source, out, name)
    out.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, out / PTH_FILE)
    safetensors.torch.save_file(tensors, out / SAFETENSORS_FILE)
    note = _NOTE.format(
        name=name, pth=PTH_FILE, safetensors=SAFETENSORS_FILE, num_classes=model.num_classes,
        labels=", ".join([*info.labels.names, *(["Human"] if model.human else [])]),
    )  # fmt: skip
    (out / NOTE_FILE).write_text(note, encoding="utf-8")
    as_pth = torch.load(out / PTH_FILE, map_location="cpu", weights_only=True)
    return max(_difference(model, state) for state in (as_pth, safetensors.torch.load_file(out / SAFETENSORS_FILE)))


def released_state(model: M2FP) -> dict[str, torch.Tensor]:
    """All weights under the released names, in float32.

    Raises:
        WeightsError: m2fp-lite was never released.
    """
    return {
        key: tensor.float().contiguous() if tensor.is_floating_point() else tensor
        for key, tensor in dump_released(model).items()
    }


def _difference(model: M2FP, state: dict[str, torch.Tensor]) -> float:
    """Of any logit, between a model and the same from released keys."""
    again = build(model.name, model.num_classes, human=model.human)
    load_released(again, state)
    image = np.random.default_rng(0).integers(0, 256, (*_TRIED_SIZE, 3), dtype=np.uint8)
    pairs = zip(TorchBackend(model)(image), TorchBackend(again)(image), strict=True)
    worst = max(float(np.abs(one - other).max()) for one, other in pairs)
    if not worst <= LARGEST_DIFFERENCE:
        raise WeightsError(f"the written weights are off by {worst:.2g}; do not use them, and report this")
    return worst
