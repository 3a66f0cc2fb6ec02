"""The life of a picture inside a worker: decoded, faces masked, parsed, coarsened, drawn. Nothing is kept."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discreet.errors import FaceDetectionError, PictureError
from discreet.inference.exported import Exported, digest_of, read_exported
from discreet.inference.faces import Face, FaceDetector, small_enough
from discreet.inference.image_io import encode_parts_png, encode_png
from discreet.inference.models import exported_folder
from discreet.inference.parser import Parser
from discreet.inference.promoted import require_promoted
from discreet.inference.runtime import open_backend
from discreet.parsing.disclosure import Disclosure, disclose
from discreet.parsing.face_mask import blur_faces, mask_faces
from discreet.parsing.results import ParseResult
from discreet.service.decoder import SealedDecoder
from discreet.service.settings import ServiceSettings


@dataclass
class Refusal(Exception):  # noqa: N818  (no fault: an answer)
    """A picture that is not parsed; becomes a Problem."""

    status: int
    kind: str
    detail: str


class Stopwatch:
    """Milliseconds of named stretches."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self._last = self._start = time.perf_counter()

    def lap(self, name: str) -> None:
        """The stretch since the last lap."""
        now = time.perf_counter()
        self.milliseconds[name] = round((now - self._last) * 1000, 1)
        self._last = now
        self.milliseconds["total"] = round((now - self._start) * 1000, 1)


class Pipeline:
    """Everything that one worker has loaded.

    Args:
        settings: of the service.
        decoder: reads pictures in processes of their own.
        threads: for the networks.

    Raises:
        WeightsError, FaceDetectionError: what is needed is missing or was changed.
        ConfigurationError: the network's promotion is not signed as settings ask.
    """

    def __init__(self, settings: ServiceSettings, decoder: SealedDecoder, *, threads: int) -> None:
        self._settings = settings
        self._decoder = decoder
        self._detector = FaceDetector(threads=threads) if settings.faces != "off" else None
        self._exported = read_exported(exported_folder(settings.model))
        if settings.promoted_by is not None:
            require_promoted(self._exported.folder, settings.promoted_by, settings.promotion)
        self._parser = _warm_parser(self._exported, settings, threads)
        self._policy = Disclosure(settings.answer_side_px, settings.smooth_px, settings.label_only)

    def describe(self) -> dict[str, Any]:
        """What was loaded."""
        return {
            "name": self._exported.name,
            "digest": digest_of(self._exported.folder),
            "labels": self._exported.labels.describe(),
            "about": {"made_from": self._exported.made_from, **self._exported.about},
        }

    def answer(self, request: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
        """What to send back for one upload.

        Args:
            request: format ("png" or "json"), opacity, request_id.
            content: the picture's file. *SENSITIVE*

        Raises:
            Refusal: the picture cannot be read, or the policy forbids it.
        """
        watch = Stopwatch()
        try:
            image = self._decoder.decode(content)
        except PictureError as problem:
            raise Refusal(422, "picture", str(problem)) from None
        if self._detector is not None:
            image = small_enough(image)
        watch.lap("decode")
        faces = self._find_faces(image)
        watch.lap("faces")
        result = disclose(self._parse(image, faces), self._policy)
        watch.lap("parse")
        facts = {"status": 200, "pixels": image.shape[0] * image.shape[1], "faces": self._count(faces)}
        if request["format"] == "json" or self._policy.label_only:
            described = self._described(result, faces, image.shape[:2])
            watch.lap("encode")
            described |= {"milliseconds": watch.milliseconds, "request_id": request["request_id"]}
            return facts | {"media_type": "application/json"}, json.dumps(described, ensure_ascii=False).encode()
        body = encode_png(result.overlay(request["opacity"]))
        watch.lap("encode")
        timings = ", ".join(f"{name};dur={value}" for name, value in watch.milliseconds.items())
        return facts | {"media_type": "image/png", "timings": timings}, body

    def _find_faces(self, image: NDArray[np.uint8]) -> Sequence[Face]:
        """Faces, where the policy asks for them; no answer without an answer of the detector."""
        if self._detector is None:
            return ()
        try:
            faces = self._detector.find(image)
        except FaceDetectionError:
            raise Refusal(503, "faces", "faces could not be looked for, so nothing was parsed; try again") from None
        if faces and self._settings.faces == "refuse":
            raise Refusal(
                422, "faces", "the picture shows faces, and this service refuses those; cover them, then send it again"
            )
        return faces

    def _parse(self, image: NDArray[np.uint8], faces: Sequence[Face]) -> ParseResult:
        """Parts and persons; the picture that is kept for the answer has its faces masked."""
        if not faces:
            return self._parser.parse(image)
        masked = self._masked(image, faces)
        if self._settings.faces == "mask":
            return self._parser.parse(masked)
        result = self._parser.parse(image)
        return ParseResult(result.parts, result.persons, result.labels, masked)

    def _masked(self, image: NDArray[np.uint8], faces: Sequence[Face]) -> NDArray[np.uint8]:
        """The picture without its faces."""
        fill = blur_faces if self._settings.face_fill == "blur" else mask_faces
        return fill(image, [face.box for face in faces], scale=self._settings.face_scale)

    def _count(self, faces: Sequence[Face]) -> int | None:
        """How many faces; None where nobody looked."""
        return None if self._detector is None else len(faces)

    def _described(self, result: ParseResult, faces: Sequence[Face], shape: tuple[int, ...]) -> dict[str, Any]:
        """The answer as JSON."""
        height, width = result.parts.shape
        zoom = (width / shape[1], height / shape[0])
        boxes = [[round(edge * zoom[axis % 2], 1) for axis, edge in enumerate(face.box)] for face in faces]
        described = result.summary() | {
            "labels": result.labels.describe(),
            "palette": [list(colour) for colour in result.labels.palette],
            "faces": {"found": self._count(faces), "policy": self._settings.faces, "boxes": boxes},
            "model": self._exported.name,
        }
        if self._policy.label_only:
            described["persons"] = [
                {"score": person["score"], "parts": person["parts"]} for person in described["persons"]
            ]
            described["parts"] = list(described["parts"])
            described["faces"]["boxes"] = []
            return described
        described["parts_png"] = _base64(encode_parts_png(result.parts, result.labels))
        described["persons_png"] = _base64(encode_png(np.minimum(result.person_ids(), 255).astype(np.uint8)))
        return described


def _warm_parser(exported: Exported, settings: ServiceSettings, threads: int) -> Parser:
    """A parser whose graphs have all run once, so that no request waits for one to load."""
    backend = open_backend(exported, runtime=settings.runtime, threads=threads)
    parser = Parser(backend, exported.labels, exported.human, exported.image_size, sizes=backend.sizes)
    for height, width in parser.sizes:
        parser.parse(np.zeros((height, width, 3), np.uint8))
    return parser


def _base64(content: bytes) -> str:
    """For JSON."""
    return base64.b64encode(content).decode("ascii")
