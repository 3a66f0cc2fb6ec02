"""The three networks by name, and every size that makes them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from discreet.errors import ConfigurationError, WeightsError
from discreet.m2fp.criterion import CriterionSettings

# RGB, 0–255.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)

PresetName = Literal["m2fp-r101", "m2fp-r50", "m2fp-lite"]
PRESETS: tuple[str, ...] = get_args(PresetName)


@dataclass(frozen=True)
class Architecture:
    """Everything that decides the network's shape. *Public*

    Args:
        name: of the preset; the backbone and pixel decoder follow from it.
        num_classes: parts with background, and Human if `human`.
        human: whether whole persons are a class, the last one.
        backbone_depths: blocks a stage of a ResNet; empty for EfficientNet-Lite0, whose depth is fixed.
        encoder_layers: deformable layers of the pixel decoder; 0 for the lite one.
        decoder_layers: of the query decoder.
        num_queries: things that can be found in a picture.
        width, num_heads: of all attention.
        encoder_hidden, decoder_hidden: widths inside the feed-forward parts.
    """

    name: str
    num_classes: int
    human: bool = True
    backbone_depths: tuple[int, ...] = (3, 4, 23, 3)
    encoder_layers: int = 6
    decoder_layers: int = 9
    num_queries: int = 100
    width: int = 256
    num_heads: int = 8
    encoder_hidden: int = 1024
    decoder_hidden: int = 2048

    def __post_init__(self) -> None:
        smallest = 3 if self.human else 2
        if not smallest <= self.num_classes <= 255:
            raise ConfigurationError(
                f"num_classes {self.num_classes} is out of range; {smallest} to 255 "
                f"(background and parts{', and Human' if self.human else ''})"
            )

    @property
    def is_lite(self) -> bool:
        """Whether it is the network for CPUs."""
        return self.name == "m2fp-lite"

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of pixels (0–255): those the backbone's public weights were trained with."""
        return ((127.0,) * 3, (128.0,) * 3) if self.is_lite else (PIXEL_MEAN, PIXEL_STD)

    def to_dict(self) -> dict[str, Any]:
        """For a JSON file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Architecture:
        """From a JSON file.

        Raises:
            WeightsError: a size is missing or unknown.
        """
        wanted = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or set(values) != wanted or values.get("name") not in PRESETS:
            raise WeightsError(f"architecture {values!r} is not one that this version knows; save the model anew")
        return cls(**{**values, "backbone_depths": tuple(values["backbone_depths"])})


def preset(name: str, num_classes: int, *, human: bool = True) -> Architecture:
    """The architecture of that name.

    Raises:
        ConfigurationError: no such name, or too few classes.
    """
    if name == "m2fp-r101":
        return Architecture(name, num_classes, human)
    if name == "m2fp-r50":
        return Architecture(name, num_classes, human, backbone_depths=(3, 4, 6, 3))
    if name == "m2fp-lite":
        return Architecture(
            name, num_classes, human, backbone_depths=(), encoder_layers=0, decoder_layers=3, num_queries=50,
            width=128, num_heads=4, encoder_hidden=512, decoder_hidden=512,
        )  # fmt: skip
    raise ConfigurationError(f"unknown network {name!r}; known are {', '.join(PRESETS)}")


def criterion_settings(name: str) -> CriterionSettings:
    """The criterion that a preset trains with: as published, or with fewer points for the lite network."""
    return CriterionSettings(num_points=1024) if name == "m2fp-lite" else CriterionSettings()
