"""What an operator may set: by option, or by an environment variable `DISCREET_NAME`. Options win."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from discreet.errors import ConfigurationError
from discreet.service.options import OPTIONS

PREFIX = "DISCREET_"


def _set(name: str, **limits: float) -> Any:
    """A field with its default and description from the table of options."""
    option = OPTIONS[name]
    return Field(option.default, description=option.description, validate_default=True, **limits)  # type: ignore[arg-type]


class ServiceSettings(BaseModel):
    """Everything about one service. *Public*, but for the paths of keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    host: str = _set("host")
    port: int = _set("port", ge=0, le=65535)
    model: str = _set("model")
    promoted_by: Path | None = _set("promoted_by")
    promotion: Path | None = _set("promotion")
    cert: Path | None = _set("cert")
    key: Path | None = _set("key")
    behind_proxy: bool = _set("behind_proxy")
    trusted_proxies: str = _set("trusted_proxies")
    open: bool = _set("open")
    allowed_hosts: str = _set("allowed_hosts")
    faces: Literal["mask", "mask-output", "refuse", "off"] = _set("faces")
    face_fill: Literal["solid", "blur"] = _set("face_fill")
    face_scale: float = _set("face_scale", ge=1.3, le=3.0)
    answer_side_px: int = _set("answer_side_px", ge=0)
    smooth_px: int = _set("smooth_px", ge=0, le=64)
    label_only: bool = _set("label_only")
    workers: int = _set("workers", ge=0)
    threads: int = _set("threads", ge=0)
    runtime: Literal["auto", "onnx", "openvino"] = _set("runtime")
    queue: int = _set("queue", ge=0)
    deadline_s: float = _set("deadline_s", gt=0)
    max_bytes: int = _set("max_bytes", gt=0)
    max_pixels: int = _set("max_pixels", gt=0)
    rate: str = _set("rate")
    drain_s: float = _set("drain_s", gt=0)
    allow_swap: bool = _set("allow_swap")
    allow_unsealed: bool = _set("allow_unsealed")
    issuer: str = _set("issuer")
    audience: str = _set("audience")
    jwks: Path | None = _set("jwks")
    denylist: Path | None = _set("denylist")
    journal: Path | None = _set("journal")
    journal_days: int = _set("journal_days", ge=1)


def read_settings(
    options: Mapping[str, object] | None = None, environment: Mapping[str, str] = os.environ
) -> ServiceSettings:
    """Settings from options, then the environment, then defaults.

    Args:
        options: by name; None counts as not given.
        environment: `DISCREET_NAME` by name.

    Raises:
        ConfigurationError: a setting is unknown or out of range; says which, and how it is spelt. Of variables those
            are unknown that are nearly one: others may have the prefix, too (a Kubernetes service's).
    """
    names = ServiceSettings.model_fields
    for variable in environment:
        name = variable.removeprefix(PREFIX).lower()
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.8)
        if variable.startswith(PREFIX) and near and name not in names:  # a denylist, say, that would not be read
            raise ConfigurationError(f"{variable} is no setting; did you mean {PREFIX}{near[0].upper()}?")
    given: dict[str, object] = {
        name: environment[PREFIX + name.upper()] for name in names if environment.get(PREFIX + name.upper())
    }
    given.update({name: value for name, value in (options or {}).items() if value is not None})
    try:
        return ServiceSettings.model_validate(given)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        raise ConfigurationError(
            f"{name} is {given.get(name)!r}: {first['msg']}; set --{name.replace('_', '-')} or {PREFIX}{name.upper()}"
        ) from None
