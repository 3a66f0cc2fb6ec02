"""What an operator may set: by option, or by an environment variable `DISCREET_NAME`. Options win."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from discreet.errors import ConfigurationError

PREFIX = "DISCREET_"


class ServiceSettings(BaseModel):
    """Everything about one service. *Public*, but for the paths of keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8443, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    model: str = Field("m2fp-lite", description="a shipped name or an exported folder")
    cert: Path | None = Field(None, description="TLS certificate, PEM; without one a self-signed one is made")
    key: Path | None = Field(None, description="the certificate's key, PEM")
    behind_proxy: bool = Field(False, description="plain HTTP, because a proxy in front speaks TLS")
    trusted_proxies: str = Field("127.0.0.1", description="addresses whose X-Forwarded-For is believed, with commas")
    open: bool = Field(False, description="plain HTTP without tokens; on loopback only")
    allowed_hosts: str = Field("", description="host names to answer to, with commas; empty: any")

    faces: Literal["mask", "mask-output", "refuse", "off"] = Field(
        "mask",
        description="mask faces before the network sees them, only in the answer, refuse pictures with faces, or off",
    )
    face_fill: Literal["solid", "blur"] = Field("solid", description="a plain ellipse, or a blurred made-up face")
    face_scale: float = Field(1.3, ge=1.3, le=3.0, description="size of the ellipse over the detected face")
    answer_side_px: int = Field(0, ge=0, description="longest side of what is answered; 0: as large as the picture")
    smooth_px: int = Field(0, ge=0, le=64, description="radius over which contours are smoothed; 0: not at all")
    label_only: bool = Field(False, description="answer the parts that are there, and no mask")

    workers: int = Field(0, ge=0, description="processes that parse; 0: one for each two cores")
    threads: int = Field(0, ge=0, description="threads of each; 0: the cores shared out among the workers")
    runtime: Literal["auto", "onnx", "openvino"] = Field("auto", description="what runs the network")
    queue: int = Field(16, ge=0, description="requests that may wait; more are refused with 503")
    deadline_s: float = Field(20.0, gt=0, description="longest time from upload to answer")
    max_bytes: int = Field(10_000_000, gt=0, description="largest upload")
    max_pixels: int = Field(25_000_000, gt=0, description="largest picture")
    rate: str = Field("120/minute", description="requests of one subject")
    drain_s: float = Field(20.0, gt=0, description="longest wait for running requests at the end")
    allow_swap: bool = Field(False, description="run although memory may be swapped to disk")

    issuer: str = Field("discreet", description="the `iss` that tokens must carry")
    audience: str = Field("discreet", description="the `aud` that tokens must carry")
    jwks: Path | None = Field(None, description="public keys of tokens; by default those of `discreet token`")
    denylist: Path | None = Field(None, description="token ids (`jti`) that are refused, one a line")
    journal: Path | None = Field(None, description="folder of the journal; by default in the state folder")
    journal_days: int = Field(30, ge=1, description="days after which journal lines are deleted")


def read_settings(
    options: Mapping[str, object] | None = None, environment: Mapping[str, str] = os.environ
) -> ServiceSettings:
    """Settings from options, then the environment, then defaults.

    Args:
        options: by name; None counts as not given.
        environment: `DISCREET_NAME` by name.

    Raises:
        ConfigurationError: a setting is unknown or out of range; says which, and how it is spelt.
    """
    names = ServiceSettings.model_fields
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
