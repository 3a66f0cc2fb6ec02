"""The shapes of answers, as /openapi.json shows them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from discreet.service.problems import MEDIA_TYPE


class _Shape(BaseModel):
    model_config = ConfigDict(protected_namespaces=())


class Health(_Shape):
    """The process lives."""

    status: Literal["alive"]


class Ready(_Shape):
    """A picture would be parsed now."""

    status: Literal["ready"]
    workers: int


class Label(_Shape):
    """A part; `left_right` is the same part of the other side."""

    id: int
    name: str
    name_zh: str
    colour: str
    left_right: int | None


class PersonFound(_Shape):
    """One person; the box is (x0, y0, x1, y1) in pixels."""

    score: float
    box: list[float] | None = None
    parts: list[str]


class FacesFound(_Shape):
    """What was masked."""

    found: int | None
    policy: str
    boxes: list[list[float]]


class Parsed(_Shape):
    """The answer in JSON. Both maps are PNG, base64: pixels are part ids, and numbers of persons. `palette`: RGB of
    each part, by id.
    """

    width: int
    height: int
    parts_png: str | None = None
    persons_png: str | None = None
    labels: list[Label]
    palette: list[list[int]]
    persons: list[PersonFound]
    parts: dict[str, int] | list[str]
    faces: FacesFound
    model: str
    milliseconds: dict[str, float]
    request_id: str


class Model(_Shape):
    """The network that answers."""

    name: str
    digest: str
    labels: list[Label]
    about: dict[str, Any]


class Policy(_Shape):
    """What happens to pictures here; see the settings of `discreet serve`."""

    model: str
    open: bool
    faces: str
    face_fill: str
    face_scale: float
    answer_side_px: int
    smooth_px: int
    label_only: bool
    max_bytes: int
    max_pixels: int
    rate: str
    journal_days: int


class ProblemShape(_Shape):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = None


_WHY = {
    400: "the request is damaged",
    401: "no valid token",
    403: "the token lacks the scope",
    406: "neither PNG nor JSON is accepted",
    408: "the upload was too slow",
    413: "the upload is too large",
    415: "not multipart/form-data",
    421: "another host's name",
    422: "no picture, or one that is refused",
    429: "too many requests of one subject",
    500: "an error of the service; its log says where",
    503: "busy, or parsing failed; see Retry-After",
}
_CONTENT = {MEDIA_TYPE: {"schema": ProblemShape.model_json_schema()}}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": why, "content": _CONTENT} for status, why in _WHY.items()
}
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "JPEG, PNG or WebP"},
                        "opacity": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
                    },
                }
            }
        },
    }
}
