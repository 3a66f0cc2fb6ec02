"""Label sets: what the numbers in a part map mean, and how one set maps to another.

Ids are positions: id k of a set is `names[k]`. Id 0 is the background; IGNORED (255) is
no label at all, and is left out of losses and metrics everywhere. Left and right are the
person's own.
"""

from __future__ import annotations

import colorsys
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from discreet.errors import ConfigurationError, DataError

IGNORED = 255
MAX_LABELS = 254


@dataclass(frozen=True)
class LabelSet:
    """Part names (English and Chinese), palette and left/right pairs of one data set.

    Args:
        name: short identifier, e.g. "cihp".
        names: English part names in order of their ids; the first is the background.
        names_zh: the same in Chinese.
        palette: one RGB triple (0–255) a part.
        flip_pairs: ids that swap when a picture is mirrored.

    Raises:
        ConfigurationError: lengths disagree, names repeat, or a pair is not of two parts.
    """

    name: str
    names: tuple[str, ...]
    names_zh: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    flip_pairs: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        num_labels = len(self.names)
        if not 2 <= num_labels <= MAX_LABELS:
            raise ConfigurationError(f"label set {self.name!r} has {num_labels} parts; 2 to {MAX_LABELS} are allowed")
        if len(self.names_zh) != num_labels or len(self.palette) != num_labels:
            raise ConfigurationError(
                f"label set {self.name!r}: give one Chinese name and one colour for each of its {num_labels} parts"
            )
        if len(set(self.names)) != num_labels:
            raise ConfigurationError(f"label set {self.name!r} repeats a part name; every name must differ")
        paired = [part for pair in self.flip_pairs for part in pair]
        if len(set(paired)) != len(paired) or not all(0 < part < num_labels for part in paired):
            raise ConfigurationError(
                f"label set {self.name!r}: flip pairs must name different parts from 1 to {num_labels - 1}"
            )

    def __len__(self) -> int:
        return len(self.names)

    def colours(self) -> NDArray[np.uint8]:
        """The palette as uint8 [256, 3]; ids without a part are grey."""
        table = np.full((256, 3), 128, np.uint8)
        table[: len(self)] = np.asarray(self.palette, np.uint8)
        return table

    def flip_table(self) -> NDArray[np.uint8]:
        """uint8 [256]: the id each id becomes when the picture is mirrored."""
        table = np.arange(256, dtype=np.uint8)
        for left, right in self.flip_pairs:
            table[[left, right]] = right, left
        return table


@dataclass(frozen=True)
class LabelMap:
    """A table from the ids of one set to the ids of another, and what it loses.

    `ids` is uint8 [256]; parts that the target does not know become background and are
    named in `lost`; IGNORED stays IGNORED.
    """

    source: LabelSet
    target: LabelSet
    ids: NDArray[np.uint8]
    lost: tuple[str, ...]

    def apply(self, parts_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Translate a part map, uint8 [H, W]."""
        return self.ids[parts_HW]


_CIHP_PALETTE = (
    (0, 0, 0), (128, 0, 0), (255, 0, 0), (0, 85, 0), (170, 0, 51), (255, 85, 0), (0, 0, 85),
    (0, 119, 221), (85, 85, 0), (0, 85, 85), (85, 51, 0), (52, 86, 128), (0, 128, 0),
    (0, 0, 255), (51, 170, 221), (0, 255, 255), (85, 255, 170), (170, 255, 85),
    (255, 255, 0), (255, 170, 0),
)  # fmt: skip
_LIMB_PAIRS = ((14, 15), (16, 17), (18, 19))

CIHP = LabelSet(
    name="cihp",
    names=(
        "Background", "Hat", "Hair", "Glove", "Sunglasses", "UpperClothes", "Dress", "Coat",
        "Socks", "Pants", "Torso-skin", "Scarf", "Skirt", "Face", "Left-arm", "Right-arm",
        "Left-leg", "Right-leg", "Left-shoe", "Right-shoe",
    ),
    names_zh=(
        "背景", "帽子", "头发", "手套", "墨镜", "上衣", "连衣裙", "外套", "袜子", "裤子", "躯干皮肤",
        "围巾", "半身裙", "脸", "左臂", "右臂", "左腿", "右腿", "左鞋", "右鞋",
    ),
    palette=_CIHP_PALETTE,
    flip_pairs=_LIMB_PAIRS,
)  # fmt: skip

LIP = LabelSet(
    name="lip",
    names=tuple("Jumpsuits" if name == "Torso-skin" else name for name in CIHP.names),
    names_zh=tuple("连体裤" if name == "躯干皮肤" else name for name in CIHP.names_zh),
    palette=_CIHP_PALETTE,
    flip_pairs=_LIMB_PAIRS,
)

_KNOWN = {label_set.name: label_set for label_set in (CIHP, LIP)}

# Where a part has another name, or no exact counterpart, in another set.
_EQUIVALENTS = {"Jumpsuits": "UpperClothes"}


def label_set(name: str) -> LabelSet:
    """The known label set of that name."""
    if name not in _KNOWN:
        raise ConfigurationError(f"unknown label set {name!r}; known are {', '.join(sorted(_KNOWN))}")
    return _KNOWN[name]


def map_between(source: LabelSet, target: LabelSet) -> LabelMap:
    """Map parts by name, then by nearest equivalent; what has neither is lost to background."""
    ids = np.zeros(256, np.uint8)
    ids[IGNORED] = IGNORED
    positions = {name: position for position, name in enumerate(target.names)}
    lost: list[str] = []
    for part, name in enumerate(source.names[1:], start=1):
        match = name if name in positions else _EQUIVALENTS.get(name)
        if name not in positions:
            lost.append(name)
        ids[part] = positions.get(match, 0) if match is not None else 0
    return LabelMap(source, target, ids, tuple(lost))


def from_names(name: str, names: list[str], flip_pairs: list[tuple[int, int]] | None = None) -> LabelSet:
    """A label set of a user's own, coloured by evenly spread hues."""
    hues = [colorsys.hsv_to_rgb((0.61803 * k) % 1.0, 0.75, 0.95) for k in range(max(len(names) - 1, 0))]
    palette = [(0, 0, 0), *((round(r * 255), round(g * 255), round(b * 255)) for r, g, b in hues)]
    return LabelSet(name, tuple(names), tuple(names), tuple(palette), tuple(flip_pairs or ()))


def read_labels(path: Path) -> LabelSet:
    """Read `labels.json`: a known set's name, a list of part names, or {"names", "flip_pairs"}.

    Raises:
        DataError: the file is missing, or is none of the three.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing: write the name of a label set or a list of part names there") from None
    except (ValueError, OSError) as problem:
        raise DataError(f"{path} cannot be read as JSON: {problem}") from None
    if isinstance(content, str):
        return label_set(content)
    if isinstance(content, list):
        content = {"names": content}
    names = content.get("names") if isinstance(content, dict) else None
    pairs = content.get("flip_pairs", []) if isinstance(content, dict) else []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f'{path} must hold "cihp", a list of part names, or {{"names": [...], "flip_pairs": [...]}}')
    if not isinstance(pairs, list) or not all(isinstance(p, list) and len(p) == 2 for p in pairs):
        raise DataError(f"{path}: flip_pairs must be a list of pairs of ids, e.g. [[14, 15]]")
    return from_names(path.parent.name, names, [(int(a), int(b)) for a, b in pairs])
