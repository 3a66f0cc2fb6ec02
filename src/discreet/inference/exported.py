"""An exported folder: model.json, one graph for each size of picture, one file of weights. No torch.

model.json   format, name, label_set, human, image_size, sizes[{height, width, file, sha256}], weights{file, sha256},
             made_from (SHA-256 of the PyTorch weights), about
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discreet.errors import DiscreetError, WeightsError
from discreet.labels import LabelSet, read_label_set

DESCRIPTION_FILE = "model.json"
FORMAT = "discreet exported 1"

Size = tuple[int, int]


@dataclass(frozen=True)
class Exported:
    """What an exported folder says of itself. *Public*

    Args:
        folder: where it is.
        name: of the model.
        labels: of the parts it finds.
        human: whether whole persons are among its classes.
        image_size: height and width it was trained at, in pixels.
        graphs: file of each (height, width).
        made_from: SHA-256 of the PyTorch weights.
        about: what is known of its training.
    """

    folder: Path
    name: str
    labels: LabelSet
    human: bool
    image_size: Size
    graphs: dict[Size, Path]
    made_from: str
    about: dict[str, Any]


def is_exported(folder: Path) -> bool:
    """Whether a folder holds an exported network."""
    try:
        return json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8")).get("format") == FORMAT
    except (OSError, ValueError, AttributeError):
        return False


def read_exported(folder: Path) -> Exported:
    """Read and check an exported folder: every file's hash is what model.json says.

    Raises:
        WeightsError: a file is missing, damaged or changed, or the folder holds something else.
    """
    folder = Path(folder)
    if not is_exported(folder):
        raise WeightsError(f"{folder} holds no exported network; make one: discreet export MODEL --to onnx --out DIR")
    content = json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
    try:
        _check(folder / content["weights"]["file"], content["weights"]["sha256"])
        graphs: dict[Size, Path] = {}
        for entry in content["sizes"]:
            path = folder / entry["file"]
            _check(path, entry["sha256"])
            graphs[int(entry["height"]), int(entry["width"])] = path
        height, width = content["image_size"]
        return Exported(
            folder, content["name"], read_label_set(content["label_set"]), bool(content["human"]),
            (int(height), int(width)), graphs, content["made_from"], content["about"],
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, DiscreetError) as problem:
        if isinstance(problem, WeightsError):
            raise
        raise WeightsError(f"{folder / DESCRIPTION_FILE} is not of this version; export the network anew") from None


def digest_of(folder: Path) -> str:
    """One SHA-256 for everything in an exported folder: it says which network answered."""
    return hashlib.sha256((folder / DESCRIPTION_FILE).read_bytes()).hexdigest()


def _check(path: Path, sha256: str) -> None:
    """A file must be the one that was exported."""
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        raise WeightsError(f"{path} is missing; copy the whole folder, or export the network anew") from None
    if found != sha256:
        raise WeightsError(f"{path} was changed since it was exported; export the network anew")
