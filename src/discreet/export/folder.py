"""An exported folder, from PyTorch weights: graphs, shared weights, model.json; compared with PyTorch at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from discreet.errors import ConfigurationError, WeightsError
from discreet.export.evidence import copy_evidence
from discreet.export.network import WEIGHTS_FILE, SharedWeights, save_graph, to_graph
from discreet.inference.exported import DESCRIPTION_FILE, FORMAT, Size, read_exported
from discreet.inference.runtime import Runtime, open_backend
from discreet.labels import describe_label_set
from discreet.m2fp.torch_backend import TorchBackend
from discreet.m2fp.weights import ModelInfo, load_model

STEP_PX = 32
# Height to width; pictures between two shapes get a little padding.
SHAPES = (1.0, 3 / 4, 4 / 3, 9 / 16, 16 / 9)
# Float32 sums in another order: how far logits may be from PyTorch's.
LARGEST_DIFFERENCE = 5e-3


@dataclass(frozen=True)
class Parity:
    """How near one size is to PyTorch.

    Args:
        size: height and width, in pixels.
        largest_difference: of any logit.
    """

    size: Size
    largest_difference: float


def sizes_around(side_px: float, shapes: Sequence[float] = SHAPES) -> list[Size]:
    """Canvases with about as many pixels as a square of a side, one for each shape.

    Args:
        side_px: of the square.
        shapes: height over width.
    """
    found = [(_to_step(side_px * shape**0.5), _to_step(side_px / shape**0.5)) for shape in shapes]
    return list(dict.fromkeys(found))


def export_network(
    source: Path,
    out: Path,
    *,
    name: str,
    sizes: Sequence[Size],
    runtime: Runtime = "onnx",
    advance: Callable[[], object] = lambda: None,
) -> list[Parity]:
    """Write the exported form of a run's or a shipped model's PyTorch weights.

    Args:
        source: folder with model.safetensors and model.json.
        out: new or empty folder.
        name: of the model.
        sizes: heights and widths, multiples of 32; the first is the one the parser prefers, with all of its area.
        runtime: compared with PyTorch.
        advance: called after each size.

    Raises:
        ConfigurationError: a size is no multiple of 32, or `out` is not empty.
        DataError: the run's statement, metrics or audit are damaged.
        WeightsError: the weights cannot be loaded, or the exported form answers otherwise; nothing usable is left.
    """
    model, info = load_model(source)
    model.eval()
    _check(sizes, out)
    copy_evidence(source, out, name)
    out.mkdir(parents=True, exist_ok=True)
    weights = SharedWeights()
    entries = []
    for height, width in sizes:
        file = f"network-{height}x{width}.onnx"
        digest = save_graph(to_graph(model, (height, width), weights), out / file)
        entries.append({"height": height, "width": width, "file": file, "sha256": digest})
        advance()
    content = weights.content()
    (out / WEIGHTS_FILE).write_bytes(content)
    description = _describe(name, info, model.human, entries, hashlib.sha256(content).hexdigest())
    (out / DESCRIPTION_FILE).write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return compare(source, out, runtime)


def compare(source: Path, exported: Path, runtime: Runtime) -> list[Parity]:
    """Compare an exported folder with the PyTorch weights it was made from, at every size.

    Raises:
        WeightsError: some logit is too far off.
    """
    model, _ = load_model(source)
    in_torch, in_runtime = TorchBackend(model), open_backend(read_exported(exported), runtime=runtime)
    found = []
    for height, width in in_runtime.sizes:
        blocks = np.random.default_rng([height, width]).integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
        image = blocks.repeat(16, axis=0).repeat(16, axis=1)
        pairs = zip(in_torch(image), in_runtime(image), strict=True)
        worst = max(float(np.abs(one - other).max()) for one, other in pairs)
        found.append(Parity((height, width), worst))
        if not worst <= LARGEST_DIFFERENCE:
            raise WeightsError(
                f"at {height}×{width} the exported network is off by {worst:.2g}, more than {LARGEST_DIFFERENCE:g}; "
                "do not use it, and report this"
            )
    return found


def _check(sizes: Sequence[Size], out: Path) -> None:
    """Refuse what could not be exported, before anything is written."""
    for height, width in sizes:
        if height % STEP_PX or width % STEP_PX or not 32 <= min(height, width) <= max(height, width) <= 2048:
            raise ConfigurationError(f"size {height}×{width}: sides must be multiples of {STEP_PX} from 32 to 2048")
    if out.exists() and any(out.iterdir()):
        raise ConfigurationError(f"{out} is not empty; name a new folder")


def _describe(
    name: str, info: ModelInfo, human: bool, entries: list[dict[str, Any]], weights_sha256: str
) -> dict[str, Any]:
    """model.json."""
    return {
        "format": FORMAT,
        "name": name,
        "label_set": describe_label_set(info.labels),
        "labels": info.labels.describe(),
        "human": human,
        "image_size": [entries[0]["height"], entries[0]["width"]],
        "sizes": entries,
        "weights": {"file": WEIGHTS_FILE, "sha256": weights_sha256},
        "made_from": info.sha256,
        "about": info.extra,
    }


def _to_step(length: float) -> int:
    """The nearest multiple of the network's coarsest stride."""
    return max(STEP_PX, round(length / STEP_PX) * STEP_PX)
