"""LIMITS.toml: what a candidate must meet before it is served instead of the current network."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from discreet.toml_settings import checked, read_toml


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="after")
    def _says_something(self) -> _Section:
        if not self.model_fields_set:
            raise ValueError("holds no limit; give one, or leave the section out")
        return self


class QualityLimits(_Section):
    """Shares, 0 to 1. Both are kept by the worse end of a 95 % interval: what a few pictures cannot show is not met."""

    min_miou: float | None = Field(default=None, ge=0, le=1)
    max_miou_loss: float | None = Field(default=None, ge=0, le=1)  # against the current network


class LatencyLimits(_Section):
    """Median of a picture on this machine; both networks take turns."""

    max_ms: float | None = Field(default=None, gt=0)
    max_ratio: float | None = Field(default=None, gt=0)  # to the current network


class PrivacyLimits(_Section):
    """Of the candidate's statement. "subject" asks for a guarantee for persons; one for images does not meet that."""

    max_epsilon: float = Field(gt=0)
    max_delta: float = Field(gt=0, lt=1)
    unit: Literal["image", "subject"] = "image"


class AuditLimits(_Section):
    """Of the candidate's last audit, which must be valid; kept by the upper ends of its intervals, for every attack."""

    max_auc: float = Field(ge=0.5, le=1)
    max_tpr_at_1_percent: float | None = Field(default=None, gt=0, le=1)


class Limits(_Section):
    """All of LIMITS.toml.

    Args:
        data: SPEC of labelled pictures, for quality and latency.
        pictures: at most so many of them, drawn by lot.
    """

    data: str | None = None
    pictures: int | None = Field(default=None, ge=2)
    quality: QualityLimits | None = None
    latency: LatencyLimits | None = None
    privacy: PrivacyLimits | None = None
    audit: AuditLimits | None = None

    @model_validator(mode="after")
    def _can_be_checked(self) -> Limits:
        measured = self.quality is not None or self.latency is not None
        if not (measured or self.privacy or self.audit):
            raise ValueError("holds no limit; give [quality], [latency], [privacy] or [audit]")
        if measured and self.data is None:
            raise ValueError('[quality] and [latency] are measured on pictures: give data = "SPEC"')
        return self


def read_limits(path: Path) -> Limits:
    """Read LIMITS.toml.

    Raises:
        ConfigurationError: unreadable, an unknown key, or a value out of range; it is named.
    """
    return checked(Limits, read_toml(path, "docs/promote.md shows one"), str(path))
