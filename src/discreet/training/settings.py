"""A run's settings: RUN.toml, checked, resolved and hashed.

Everything here is public: the resolved settings and their hash go into the run's folder, its
checkpoints and the ledger.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from discreet.errors import ConfigurationError, UsageError
from discreet.toml_settings import checked, read_toml
from discreet.training.devices import DeviceChoice, Precision


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSettings(_Section):
    """Which pictures: data SPECs such as "cihp:data/CIHP@train"."""

    train: str
    evaluate: str | None = None
    shared_pictures: Literal["refuse", "drop", "assign"] = "refuse"  # those of several subjects, where these are units
    subject_pattern: str | None = None  # takes subjects from names of pictures, e.g. "(\\d+)_"


class ModelSettings(_Section):
    """Which network, from which public start, and what of it trains."""

    name: Literal["m2fp-lite", "m2fp-r50", "m2fp-r101"] = "m2fp-lite"
    form: Literal["multi-person", "single-person"] = "multi-person"
    init: str | None = "m2fp-lite"
    trainable: Literal["all", "decoder", "low-rank", "norms-and-biases"] = "all"
    # Small deviations of frozen norms go into the weights before: the same network, with smaller gradients there.
    absorb_statistics: bool = False

    @property
    def human(self) -> bool:
        """Whether whole persons are a class. The single-person form has none, and never enlarges a picture."""
        return self.form == "multi-person"


class PrivacySettings(_Section):
    """The guarantee asked for: a target ε, or a noise multiplier."""

    unit: Literal["image", "subject"] = "image"
    epsilon: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    noise_multiplier: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    delta: float | None = Field(default=None, gt=0, lt=1)
    max_grad_norm: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    clipping: Literal["flat", "per_layer", "automatic"] = "flat"

    @model_validator(mode="after")
    def _one_of_two(self) -> PrivacySettings:
        if (self.epsilon is None) == (self.noise_multiplier is None):
            raise ValueError("give either epsilon or noise_multiplier, e.g. epsilon = 8.0")
        return self


class TrainingSettings(_Section):
    """How long, how large, how fast. Nothing here may be derived from private pictures."""

    epochs: float = Field(default=30, gt=0, allow_inf_nan=False)
    batch_size: int = Field(default=1024, ge=1)  # expected, public
    # Pictures at once. Performance only: the mechanism does not know it. "auto": as many as fit in memory.
    micro_batch_size: Literal["auto"] | int = 8
    # Computes inner activations again in the backward pass instead of keeping them: less memory, more time.
    activation_checkpointing: bool = False
    # Pictures a unit and step: views of one picture, or several pictures of a subject; averaged before clipping.
    augmentation_multiplicity: int = Field(default=1, ge=1, le=64)
    learning_rate: float = Field(default=4e-4, gt=0, allow_inf_nan=False)
    backbone_learning_rate: float = Field(default=0.1, ge=0, allow_inf_nan=False)  # as a factor of learning_rate
    # "adam-bc" takes the noise out of Adam's second moments, "scale-then-privatise" clips tensors by what they carry;
    # without privacy both are "adam". "muon" makes matrices' steps orthogonal; under noise it lost (EXPERIMENTS.md).
    optimizer: Literal["adam", "adam-bc", "scale-then-privatise", "muon"] = "adam"
    weight_decay: float = Field(default=0.05, ge=0, allow_inf_nan=False)
    warmup_steps: int = Field(default=0, ge=0)
    ema_decay: float = Field(default=0.99, ge=0, lt=1)
    image_size: int | tuple[int, int] = 256  # a square, or [height, width]
    augmentation: Literal["full", "light", "none"] = "full"
    seed: int = Field(default=7, ge=0)  # of augmentation and initialisation only; noise and sampling have their own key
    checkpoint_every: int = Field(default=20, ge=1)  # steps
    threads: int | None = Field(default=None, ge=1)
    device: DeviceChoice = "auto"  # an accelerator where there is one
    precision: Precision = "float32"  # of layers; what is clipped, summed and noised is float32 either way
    canaries: int = Field(default=0, ge=0)  # units that a coin each lets in or leaves out, for an audit to guess
    trials: int = Field(default=1, ge=1, le=64)  # runs at several learning rates; ε covers all of them together

    @field_validator("micro_batch_size", mode="before")
    @classmethod
    def _auto_or_a_number(cls, given: object) -> object:
        if given != "auto" and (isinstance(given, bool) or not isinstance(given, int) or given < 1):
            raise ValueError('give how many pictures, at least 1, or "auto" for as many as fit in memory')
        return given

    @field_validator("image_size", mode="before")
    @classmethod
    def _one_or_two_sides(cls, given: object) -> object:
        sides = given if isinstance(given, list | tuple) else [given] * 2
        if len(sides) != 2 or not all(isinstance(side, int) and 32 <= side <= 2048 for side in sides):
            raise ValueError("give the side of a square, or [height, width], each from 32 to 2048 pixels")
        return given

    @property
    def canvas(self) -> tuple[int, int]:
        """Height and width of what the network sees, in pixels."""
        return (self.image_size, self.image_size) if isinstance(self.image_size, int) else self.image_size


# What a private run does where RUN.toml does not say: the recipe that lost least (EXPERIMENTS.md).
PRIVATE_RECIPE: dict[str, dict[str, Any]] = {
    "privacy": {"clipping": "automatic"},
    "training": {
        "learning_rate": 1e-3,
        "backbone_learning_rate": 1.0,
        "weight_decay": 0.0,
        "augmentation": "light",
    },
}


class RunSettings(_Section):
    """All of RUN.toml. `privacy` is None for an ordinary run; a private one has other defaults, `PRIVATE_RECIPE`."""

    data: DataSettings
    model: ModelSettings = ModelSettings()
    privacy: PrivacySettings | None = None
    training: TrainingSettings = TrainingSettings()

    @model_validator(mode="before")
    @classmethod
    def _by_the_private_recipe(cls, given: Any) -> Any:
        """Fill in what is left open, before anything is checked."""
        if not isinstance(given, dict) or given.get("privacy") is None:
            return given
        sections: dict[str, Any] = dict(given)  # pyright: ignore[reportUnknownArgumentType]
        for section, values in PRIVATE_RECIPE.items():
            said = sections.get(section, {})
            if isinstance(said, dict):
                sections[section] = {**values, **said}
        return sections

    def digest(self) -> str:
        """SHA-256 of the resolved settings."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_toml(self) -> str:
        """The resolved settings as TOML."""
        lines: list[str] = []
        for section, values in self.model_dump(mode="json").items():
            if values is None:
                continue
            lines.append(f"[{section}]")
            # TOML and JSON write strings, numbers and booleans alike.
            lines += [
                f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items() if value is not None
            ]
            lines.append("")
        return "\n".join(lines)


def read_settings(path: Path, overrides: Sequence[str] = (), private: bool | None = None) -> RunSettings:
    """Read RUN.toml, apply `section.key=value` overrides, and check the whole.

    Args:
        path: the TOML file.
        overrides: e.g. "training.epochs=3"; values as in TOML, bare words are strings.
        private: False drops [privacy]; True requires it; None takes what the file says.

    Raises:
        ConfigurationError: unreadable, an unknown key, or a value out of range.
    """
    content = read_toml(path, "write one, or see README for an example")
    for override in overrides:
        _apply(content, override)
    if private is False:
        content.pop("privacy", None)
    if private is True and "privacy" not in content:
        raise ConfigurationError(f"{path} has no [privacy] section; add one, e.g. epsilon = 8.0, or use --no-private")
    return checked(RunSettings, content, str(path))


def _apply(content: dict[str, Any], override: str) -> None:
    """Set one `section.key=value` in the tree."""
    name, separator, text = override.partition("=")
    section, dot, key = name.strip().partition(".")
    if not separator or not dot or not section or not key:
        raise UsageError(f"--set {override!r} is not section.key=value, e.g. training.epochs=3")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        value = text.strip()
    if not isinstance(content.setdefault(section, {}), dict):
        raise ConfigurationError(f"--set {override!r}: {section} is not a section")
    content[section][key] = value
