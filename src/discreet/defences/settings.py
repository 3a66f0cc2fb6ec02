"""COMPARE.toml: which defences are compared, on which pictures, and how hard they are attacked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from discreet.auditing.attacks import chosen_attacks
from discreet.defences.output_noise import OutputNoise
from discreet.errors import ConfigurationError
from discreet.toml_settings import checked, read_toml
from discreet.training.settings import RunSettings

Defence = Literal["none", "output-noise", "distillation", "dp-sgd"]
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class GeneratedPictures(_Section):
    """Pictures of people who never existed, made where they are missing."""

    style: str
    count: int = Field(ge=1)
    size: int = Field(ge=64, le=1024)
    seed: int = Field(ge=0)


class ComparedData(_Section):
    """SPECs, or what is to be generated.

    train: private pictures, the members. evaluate: of the same pool; measures quality, and are the non-members.
    public: what students learn from, labelled anew. subject_pattern: as in RUN.toml, for train.
    """

    train: str | GeneratedPictures
    evaluate: str | GeneratedPictures
    public: str | GeneratedPictures | None = None
    subject_pattern: str | None = None


class AuditedHow(_Section):
    """How each defence is attacked; the first seed of each row."""

    pictures: int | None = Field(default=None, ge=20)  # of each kind; all by default
    attacks: list[str] | None = None
    confidence: float = Field(default=0.95, ge=0.5, lt=1)
    answers: bool = False  # also what each kind of answer of a service gives away
    inversion: int = 0  # pairs; 0 tries none

    @field_validator("attacks")
    @classmethod
    def _can_be_made(cls, given: list[str] | None) -> list[str] | None:
        """Said now, not after the first training."""
        if given:
            chosen_attacks(",".join(given))
        return given


class Row(_Section):
    """One defence.

    set: "section.key" = value, over [base].
    of: the row whose outputs are blurred, or that teaches.
    run: the folder of a finished `discreet train` on data.train, which is measured as it is instead of training.
    """

    defence: Defence
    set: dict[str, Any] = {}
    of: str | None = None
    run: str | None = None
    seeds: list[int] | None = None
    class_noise: float = 0.0
    mask_noise: float = 0.0
    smooth_cells: int = 0

    @model_validator(mode="after")
    def _is_whole(self) -> Row:
        needs_another = self.defence in ("output-noise", "distillation")
        if needs_another != (self.of is not None):
            raise ValueError(
                "`of` names the row whose outputs are blurred, or that teaches: output-noise and distillation need it, "
                "others have none"
            )
        if self.run is not None and (needs_another or self.set or len(self.seeds or [0]) > 1):
            raise ValueError("`run` is for none and dp-sgd, has its own settings (no `set`), and one seed")
        if self.defence == "output-noise":
            self.noise()
        elif self.class_noise or self.mask_noise or self.smooth_cells:
            raise ValueError("class_noise, mask_noise and smooth_cells belong to output-noise")
        return self

    def is_the_same_as(self, other: Row) -> bool:
        """Whether both ask for the same, of whatever seeds."""
        return self.model_copy(update={"seeds": other.seeds}) == other

    def noise(self) -> OutputNoise:
        """How answers are blurred."""
        return OutputNoise(self.class_noise, self.mask_noise, self.smooth_cells)


class CompareSettings(_Section):
    """All of COMPARE.toml. [base] is a RUN.toml without [data]; [base.privacy] is for rows of dp-sgd alone.

    audit: how rows are attacked; `audit = false` attacks none.
    """

    title: str
    seeds: list[int] = Field(default=[7], min_length=1)
    data: ComparedData
    base: dict[str, dict[str, Any]]
    audit: AuditedHow | None = AuditedHow()
    rows: dict[str, Row] = Field(min_length=1)

    @field_validator("audit", mode="before")
    @classmethod
    def _may_be_none(cls, given: object) -> object:
        return None if given is False else given

    @model_validator(mode="after")
    def _rows_fit(self) -> CompareSettings:
        before: set[str] = set()
        for name, row in self.rows.items():
            if not _NAME.fullmatch(name):
                raise ValueError(f"row {name!r}: use small letters, digits and -")
            if row.of is not None and row.of not in before:
                raise ValueError(f"row {name}: of = {row.of!r} is no row before it")
            if row.of is not None and self.rows[row.of].defence == "output-noise":
                raise ValueError(f"row {name}: {row.of} has no weights of its own; name the row that it blurs")
            if row.of is not None and set(self.seeds_of(name)) - set(self.seeds_of(row.of)):
                raise ValueError(f"row {name} has seeds that {row.of} has not")
            if row.defence == "distillation" and self.data.public is None:
                raise ValueError(f"row {name} learns from public pictures: give data.public")
            before.add(name)
        if self.reference is None:
            raise ValueError('one row needs defence = "none": what others lose is counted from it')
        return self

    @property
    def reference(self) -> str | None:
        """The row without a defence; the first, if there are several."""
        return next((name for name, row in self.rows.items() if row.defence == "none"), None)

    def seeds_of(self, row: str) -> list[int]:
        """Seeds of a row; a run that is there has one, which only names its folder."""
        return self.rows[row].seeds or (self.seeds if self.rows[row].run is None else self.seeds[:1])

    def run_settings(self, row: str, seed: int, train: str) -> RunSettings:
        """What `discreet train` would be given.

        Args:
            row: one that trains here.
            seed: of the run.
            train: SPEC of what it learns from.

        Raises:
            ConfigurationError: an unknown key, or a value out of range.
        """
        tree = {section: dict(values) for section, values in self.base.items()}
        is_private = self.rows[row].defence == "dp-sgd"
        if not is_private:
            tree.pop("privacy", None)
        for where, value in self.rows[row].set.items():
            section, _, key = where.partition(".")
            if not key:
                raise ConfigurationError(f'row {row}: {where!r} is no "section.key"')
            tree.setdefault(section, {})[key] = value
        tree.setdefault("training", {})["seed"] = seed
        data = {"train": train}
        if is_private and self.data.subject_pattern is not None:
            data["subject_pattern"] = self.data.subject_pattern
        settings = checked(RunSettings, {**tree, "data": data}, f"row {row}")
        if (settings.privacy is not None) != is_private:
            raise ConfigurationError(
                f"row {row}: dp-sgd needs [base.privacy] or privacy.* in set, and no other row may have it"
            )
        return settings

    def changed_since(self, before: CompareSettings, begun: Sequence[str]) -> str | None:
        """What differs from earlier settings of the same folder so that its results cannot be used; None if nothing.

        Args:
            before: the earlier settings.
            begun: rows of these with results. The reference counts as one: the public start is measured as it is.
        """
        for section in ("data", "base", "audit"):
            if getattr(self, section) != getattr(before, section):
                return section
        if self.reference != before.reference:
            return "the row without a defence"
        for name in dict.fromkeys([str(self.reference), *begun]):
            if name not in self.rows or not self.rows[name].is_the_same_as(before.rows[name]):
                return f"row {name}"
            # The first seed alone is attacked.
            if self.seeds_of(name)[0] != before.seeds_of(name)[0]:
                return f"the first seed of row {name}"
        return None


def read_compare_settings(path: Path) -> CompareSettings:
    """Read COMPARE.toml, and check every row.

    Raises:
        ConfigurationError: unreadable, an unknown key, or a value out of range; it is named.
    """
    content = read_toml(path, "recipes/ has examples")
    settings = checked(CompareSettings, content, str(path))
    for name, row in settings.rows.items():
        if row.defence != "output-noise" and row.run is None:
            for seed in settings.seeds_of(name):
                settings.run_settings(name, seed, "folder:checked")
    return settings
