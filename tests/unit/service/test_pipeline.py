"""What each policy does with faces, with the real detector, network and decoder; and what else leaves."""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

from discreet.inference.faces import LARGEST_SIDE_PX, FaceDetector
from discreet.inference.models import exported_folder
from discreet.inference.runtime import load_exported
from discreet.parsing.face_mask import Box, blur_faces, mask_faces
from discreet.service.decoder import SealedDecoder
from discreet.service.pipeline import Pipeline, Refusal
from discreet.service.settings import ServiceSettings

PEOPLE = Path(__file__).parents[2] / "assets" / "people.jpg"
Make = Callable[..., Pipeline]


@pytest.fixture(scope="module")
def make() -> Iterator[Make]:
    """A worker's pipeline with these settings."""
    with contextlib.closing(SealedDecoder(max_pixels=1_000_000, timeout_s=20.0)) as decoder:
        yield functools.cache(
            lambda **options: Pipeline(ServiceSettings(runtime="onnx", **options), decoder, threads=1)
        )


@pytest.fixture(scope="module")
def clear() -> NDArray[np.uint8]:
    """Three people, whose faces are found."""
    return np.asarray(Image.open(PEOPLE).convert("RGB"))


@pytest.fixture(scope="module")
def boxes(clear: NDArray[np.uint8]) -> list[Box]:
    found = [face.box for face in FaceDetector(threads=1).find(clear)]
    assert len(found) == 3
    return found


@pytest.fixture(scope="module")
def parsed(clear: NDArray[np.uint8], boxes: list[Box]) -> dict[str, NDArray[np.uint8]]:
    """The parts of the picture as it is and with its faces masked, which differ."""
    parser = load_exported("m2fp-lite", runtime="onnx", threads=1)
    found = {"clear": parser.parse(clear).parts, "masked": parser.parse(mask_faces(clear, boxes)).parts}
    assert (found["clear"] != found["masked"]).any()
    return found


def shown_by(pipeline: Pipeline, content: bytes | None = None) -> NDArray[np.uint8]:
    """The picture that comes back, without colours over it."""
    asked = {"format": "png", "opacity": 0.0, "request_id": "one"}
    _, body = pipeline.answer(asked, PEOPLE.read_bytes() if content is None else content)
    return np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))


def grey(width: int, height: int) -> bytes:
    """A picture of nobody."""
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (90, 120, 150)).save(stream, "PNG")
    return stream.getvalue()


def told_by(pipeline: Pipeline) -> tuple[dict[str, Any], dict[str, Any]]:
    """Facts for the journal, and the answer as JSON."""
    facts, body = pipeline.answer({"format": "json", "opacity": 0.0, "request_id": "one"}, PEOPLE.read_bytes())
    return facts, json.loads(body)


def parts_of(told: dict[str, Any]) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(told["parts_png"]))))


@pytest.mark.parametrize(
    ("faces", "seen_by_the_network"), [("mask", "masked"), ("mask-output", "clear"), ("off", "clear")]
)
def test_what_the_network_sees_and_what_comes_back(
    faces: str,
    seen_by_the_network: str,
    make: Make,
    clear: NDArray[np.uint8],
    boxes: list[Box],
    parsed: dict[str, NDArray[np.uint8]],
) -> None:
    pipeline, masked = make(faces=faces), mask_faces(clear, boxes)
    np.testing.assert_array_equal(shown_by(pipeline), clear if faces == "off" else masked)
    facts, told = told_by(pipeline)
    np.testing.assert_array_equal(parts_of(told), parsed[seen_by_the_network])
    assert facts["faces"] == told["faces"]["found"] == (None if faces == "off" else 3)
    assert told["faces"]["policy"] == faces


def test_made_up_faces_cover_as_much_as_plain_ones(make: Make, clear: NDArray[np.uint8], boxes: list[Box]) -> None:
    pipeline = make(faces="mask", face_fill="blur", face_scale=1.6)
    np.testing.assert_array_equal(shown_by(pipeline), blur_faces(clear, boxes, scale=1.6))


def test_faces_are_refused_where_the_policy_says_so(make: Make) -> None:
    pipeline = make(faces="refuse")
    with pytest.raises(Refusal) as caught:
        shown_by(pipeline)
    assert (caught.value.status, caught.value.kind) == (422, "faces")
    assert shown_by(pipeline, grey(64, 48)).shape == (48, 64, 3), "whoever shows no face is parsed"
    # No finer than what was searched for faces.
    assert shown_by(pipeline, grey(LARGEST_SIDE_PX + 200, 40)).shape[1] == LARGEST_SIDE_PX


def test_where_faces_cannot_be_looked_for_nothing_is_parsed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector whose network is another one: it fails as it would without memory."""
    pipeline = make(faces="mask")
    assert pipeline._detector is not None
    network = sorted(exported_folder("m2fp-lite").glob("*.onnx"))[0]
    other = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    monkeypatch.setattr(pipeline._detector, "_session", other)
    with pytest.raises(Refusal) as caught:
        shown_by(pipeline)
    assert (caught.value.status, caught.value.kind) == (503, "faces")


def test_only_labels_leave_where_no_more_may(make: Make) -> None:
    _, told = told_by(make(faces="mask", label_only=True))
    assert not {"parts_png", "persons_png"} & told.keys()
    assert told["faces"]["boxes"] == []
    assert told["persons"]
    assert all(person.keys() == {"score", "parts"} for person in told["persons"])
    assert told["parts"]
    assert all(isinstance(part, str) for part in told["parts"])
