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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discreet.errors import ConfigurationError, DataError, DiscreetError

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

    def describe(self) -> list[dict[str, Any]]:
        """For whoever draws: id, name, name_zh, colour (#rrggbb), and left_right, the id of the other side."""
        flipped = self.flip_table()
        return [
            {
                "id": number,
                "name": name,
                "name_zh": chinese,
                "colour": f"#{red:02x}{green:02x}{blue:02x}",
                "left_right": int(flipped[number]) if flipped[number] != number else None,
            }
            for number, (name, chinese, (red, green, blue)) in enumerate(
                zip(self.names, self.names_zh, self.palette, strict=True)
            )
        ]

    def flip_table(self) -> NDArray[np.uint8]:
        """uint8 [256]: the id each id becomes when the picture is mirrored."""
        table = np.arange(256, dtype=np.uint8)
        for left, right in self.flip_pairs:
            table[[left, right]] = right, left
        return table


@dataclass(frozen=True)
class LabelMap:
    """A table from the ids of one set to the ids of another, and what it loses.

    Args:
        ids: uint8 [256]; IGNORED stays IGNORED.
        merged: (part, broader part) where several parts become one.
        dropped: parts that become background, because the target sees background there.
        undecided: parts that become IGNORED, because any part of the target might be right.
    """

    source: LabelSet
    target: LabelSet
    ids: NDArray[np.uint8]
    merged: tuple[tuple[str, str], ...]
    dropped: tuple[str, ...]
    undecided: tuple[str, ...]

    @property
    def lost(self) -> tuple[str, ...]:
        """Parts of the source that nobody can tell afterwards, in order of their ids."""
        gone = {part for part, _ in self.merged} | set(self.dropped) | set(self.undecided)
        return tuple(name for name in self.source.names if name in gone)

    def losses(self) -> tuple[str, ...]:
        """One line for each part that is lost: what becomes of it; and for each of the target that never occurs."""
        reached = set(self.ids[: len(self.source)].tolist())
        return (
            *(f"{part} becomes {broader}" for part, broader in self.merged),
            *(f"{part} becomes background" for part in self.dropped),
            *(f"{part} is ignored: {self.target.name} splits it otherwise" for part in self.undecided),
            *(f"{name} never occurs" for part, name in enumerate(self.target.names) if part not in reached),
        )

    def apply(self, parts_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Translate a part map, uint8 [H, W]."""
        return self.ids[parts_HW]


def _hues(num_colours: int) -> tuple[tuple[int, int, int], ...]:
    """Colours of evenly spread hues, after black for the background."""
    hues = [colorsys.hsv_to_rgb((0.61803 * k) % 1.0, 0.75, 0.95) for k in range(num_colours)]
    return ((0, 0, 0), *((round(r * 255), round(g * 255), round(b * 255)) for r, g, b in hues))


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

ATR = LabelSet(
    name="atr",
    names=(
        "Background", "Hat", "Hair", "Sunglasses", "UpperClothes", "Skirt", "Pants", "Dress", "Belt", "Left-shoe",
        "Right-shoe", "Face", "Left-leg", "Right-leg", "Left-arm", "Right-arm", "Bag", "Scarf",
    ),
    names_zh=(
        "背景", "帽子", "头发", "墨镜", "上衣", "半身裙", "裤子", "连衣裙", "腰带", "左鞋", "右鞋", "脸", "左腿",
        "右腿", "左臂", "右臂", "包", "围巾",
    ),
    palette=_hues(17),
    flip_pairs=((9, 10), (12, 13), (14, 15)),
)  # fmt: skip

# Ids in the order of M2FP; files in that of SCHP are translated when they are read.
PASCAL = LabelSet(
    name="pascal",
    names=("Background", "Lower-arm", "Head", "Upper-leg", "Torso", "Lower-leg", "Upper-arm"),
    names_zh=("背景", "小臂", "头", "大腿", "躯干", "小腿", "大臂"),
    palette=_hues(6),
)
PASCAL_OF_SCHP = LabelSet(
    name="pascal in the order of SCHP",
    names=("Background", "Head", "Torso", "Upper-arm", "Lower-arm", "Upper-leg", "Lower-leg"),
    names_zh=("背景", "头", "躯干", "大臂", "小臂", "大腿", "小腿"),
    palette=_hues(6),
)

MHP = LabelSet(
    name="mhp",
    names=(
        "Background", "Cap/hat", "Helmet", "Face", "Hair", "Left-arm", "Right-arm", "Left-hand", "Right-hand",
        "Protector", "Bikini/bra", "Jacket/windbreaker/hoodie", "T-shirt", "Polo-shirt", "Sweater", "Singlet",
        "Torso-skin", "Pants", "Shorts/swim-shorts", "Skirt", "Stockings", "Socks", "Left-boot", "Right-boot",
        "Left-shoe", "Right-shoe", "Left-highheel", "Right-highheel", "Left-sandal", "Right-sandal", "Left-leg",
        "Right-leg", "Left-foot", "Right-foot", "Coat", "Dress", "Robe", "Jumpsuits", "Other-full-body-clothes",
        "Headwear", "Backpack", "Ball", "Bats", "Belt", "Bottle", "Carrybag", "Cases", "Sunglasses", "Eyewear",
        "Gloves", "Scarf", "Umbrella", "Wallet/purse", "Watch", "Wristband", "Tie", "Other-accessories",
        "Other-upper-body-clothes", "Other-lower-body-clothes",
    ),
    names_zh=(
        "背景", "帽子", "头盔", "脸", "头发", "左臂", "右臂", "左手", "右手", "护具", "比基尼/胸衣", "夹克/风衣/卫衣",
        "T恤", "Polo衫", "毛衣", "背心", "躯干皮肤", "裤子", "短裤/泳裤", "半身裙", "长筒袜", "袜子", "左靴", "右靴",
        "左鞋", "右鞋", "左高跟鞋", "右高跟鞋", "左凉鞋", "右凉鞋", "左腿", "右腿", "左脚", "右脚", "外套", "连衣裙",
        "长袍", "连体裤", "其他全身衣物", "头饰", "双肩包", "球", "球棒", "腰带", "瓶子", "手提包", "箱子", "墨镜",
        "眼镜", "手套", "围巾", "雨伞", "钱包", "手表", "腕带", "领带", "其他配饰", "其他上身衣物", "其他下身衣物",
    ),
    palette=_hues(58),
    flip_pairs=((5, 6), (7, 8), (22, 23), (24, 25), (26, 27), (28, 29), (30, 31), (32, 33)),
)  # fmt: skip

# What an own set may say in labels.json: what `describe_label_set` writes of one.
_KEYS = frozenset(("name", "names", "names_zh", "palette", "flip_pairs"))
_KNOWN = {label_set.name: label_set for label_set in (CIHP, LIP, ATR, PASCAL, MHP)}

# What to call a part where the target lacks its name: the first of these that the target has.
_BROADER: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("Cap/hat", "Helmet", "Headwear", "Hat"), ("Hat", "Head")),
    **dict.fromkeys(("Sunglasses", "Eyewear"), ("Sunglasses", "Head")),
    **dict.fromkeys(("Hair", "Face"), ("Head",)),
    **dict.fromkeys(("Coat", "Jacket/windbreaker/hoodie"), ("Coat", "UpperClothes", "Torso")),
    **dict.fromkeys(
        ("UpperClothes", "Bikini/bra", "T-shirt", "Polo-shirt", "Sweater", "Singlet", "Tie",
         "Other-upper-body-clothes"),
        ("UpperClothes", "Torso"),
    ),
    "Torso-skin": ("Torso",),
    "Scarf": ("Torso",),
    "Jumpsuits": ("UpperClothes",),
    **dict.fromkeys(("Robe", "Other-full-body-clothes"), ("Dress",)),
    **dict.fromkeys(("Shorts/swim-shorts", "Other-lower-body-clothes"), ("Pants",)),
    "Stockings": ("Socks",),
    **dict.fromkeys(("Glove", "Gloves"), ("Glove", "Lower-arm")),
    **dict.fromkeys(("Socks", "Left-foot", "Right-foot"), ("Lower-leg",)),
    **{
        f"{side}-{kind}": (f"{side}-{whole}", part)
        for side in ("Left", "Right")
        for kind, whole, part in (
            ("hand", "arm", "Lower-arm"), ("foot", "leg", "Lower-leg"), ("shoe", "shoe", "Lower-leg"),
            ("boot", "shoe", "Lower-leg"), ("highheel", "shoe", "Lower-leg"), ("sandal", "shoe", "Lower-leg"),
        )
    },
}  # fmt: skip
# Belongings: background wherever they have no name of their own. So is bare skin of the torso in LIP.
_BACKGROUND = frozenset(
    ("Bag", "Backpack", "Ball", "Bats", "Bottle", "Carrybag", "Cases", "Umbrella", "Wallet/purse", "Torso-skin")
)


def label_set(name: str) -> LabelSet:
    """The known label set of that name."""
    if name not in _KNOWN:
        raise ConfigurationError(f"unknown label set {name!r}; known are {', '.join(sorted(_KNOWN))}")
    return _KNOWN[name]


def map_between(source: LabelSet, target: LabelSet) -> LabelMap:
    """Map parts by name, then to the nearest broader part; belongings become background, the rest is ignored.

    A part without a counterpart lies on a person, so calling it background would teach something wrong:
    it is ignored instead.
    """
    ids = np.full(256, IGNORED, np.uint8)
    ids[0] = 0
    positions = {name: position for position, name in enumerate(target.names)}
    chosen: dict[str, str] = {}
    dropped: list[str] = []
    undecided: list[str] = []
    for part, name in enumerate(source.names[1:], start=1):
        known = next((candidate for candidate in (name, *_BROADER.get(name, ())) if candidate in positions), None)
        if known is not None:
            chosen[name], ids[part] = known, positions[known]
        elif name in _BACKGROUND:
            dropped.append(name)
            ids[part] = 0
        else:
            undecided.append(name)
    uses = list(chosen.values())
    merged = tuple((name, known) for name, known in chosen.items() if name != known and uses.count(known) > 1)
    return LabelMap(source, target, ids, merged, tuple(dropped), tuple(undecided))


def from_names(name: str, names: list[str], flip_pairs: list[tuple[int, int]] | None = None) -> LabelSet:
    """A label set of a user's own, coloured by evenly spread hues."""
    return LabelSet(name, tuple(names), tuple(names), _hues(max(len(names) - 1, 0)), tuple(flip_pairs or ()))


def read_labels(path: Path) -> LabelSet:
    """Read `labels.json`: a known set's name, a list of part names, or {"names", "flip_pairs"}.

    Raises:
        DataError: the file is missing, is none of the three, or describes no label set.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing: write the name of a label set or a list of part names there") from None
    except (ValueError, OSError) as problem:
        raise DataError(f"{path} cannot be read as JSON: {problem}") from None
    try:
        return label_set(content) if isinstance(content, str) else _own_labels(content, path)
    except ConfigurationError as problem:
        raise DataError(f"{path}: {problem}") from None


def _own_labels(content: Any, path: Path) -> LabelSet:
    """What a `labels.json` at `path` says of a user's own parts, named after its folder."""
    described = {"names": content} if isinstance(content, list) else content
    names = described.get("names") if isinstance(described, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        raise DataError(f'{path} must hold "cihp", a list of part names, or {{"names": [...], "flip_pairs": [...]}}')
    unknown = set(described) - _KEYS
    if unknown:
        raise DataError(f"{path} has no {', '.join(sorted(unknown))}; known are names and flip_pairs")
    pairs = described.get("flip_pairs", [])
    if not isinstance(pairs, list) or not all(map(_is_pair, pairs)):
        raise DataError(f"{path}: flip_pairs must be a list of pairs of ids, e.g. [[14, 15]]")
    return from_names(path.parent.name, names, [(left, right) for left, right in pairs])


def _is_pair(given: Any) -> bool:
    """Whether these are two whole numbers; true and false are none."""
    return isinstance(given, list) and len(given) == 2 and all(type(part) is int for part in given)


def describe_label_set(labels: LabelSet) -> str | dict[str, Any]:
    """A label set for JSON: a known one by its name, another by its content."""
    try:
        if label_set(labels.name) == labels:
            return labels.name
    except DiscreetError:
        pass
    return {
        "name": labels.name,
        "names": labels.names,
        "names_zh": labels.names_zh,
        "palette": labels.palette,
        "flip_pairs": labels.flip_pairs,
    }


def read_label_set(described: str | dict[str, Any]) -> LabelSet:
    """The opposite of `describe_label_set`.

    Raises:
        ConfigurationError: an unknown name, or a set that makes no sense.
        KeyError, TypeError, ValueError: something else was described.
    """
    if isinstance(described, str):
        return label_set(described)
    return LabelSet(
        described["name"],
        tuple(described["names"]),
        tuple(described["names_zh"]),
        tuple((int(r), int(g), int(b)) for r, g, b in described["palette"]),
        tuple((int(a), int(b)) for a, b in described["flip_pairs"]),
    )
