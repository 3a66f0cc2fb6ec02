"""Every hostile picture, through the sealed decoder: refused or clean, in time, and never a file."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from discreet.errors import PictureError
from discreet.inference.image_io import encode_png
from discreet.service.decoder import SealedDecoder
from tests.hostile.pictures import CANARY, HostilePicture, hostile_pictures

KINDS = sorted({item.kind for item in hostile_pictures()})
MAX_PIXELS = 25_000_000
TIMEOUT_S = 2.0
# Beside the limit itself: forking, sending, and a busy machine.
IN_TIME_S = TIMEOUT_S + 3.0


@pytest.fixture(scope="module")
def decoder() -> Iterator[SealedDecoder]:
    with contextlib.closing(SealedDecoder(max_pixels=MAX_PIXELS, timeout_s=TIMEOUT_S)) as made:
        yield made


@pytest.mark.parametrize("kind", KINDS)
def test_refused_or_clean_and_in_time(
    decoder: SealedDecoder, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for item in hostile_pictures():
        if item.kind == kind:
            check(decoder, item)
    assert list(tmp_path.iterdir()) == []


def check(decoder: SealedDecoder, item: HostilePicture) -> None:
    """One picture comes to what is right for it."""
    started = time.monotonic()
    try:
        image = decoder.decode(item.content)
    except PictureError as problem:
        assert item.right != "picture", item.name
        words = str(problem)
        assert CANARY.decode() not in words
        assert "\n" not in words
    else:
        assert item.right != "refused", item.name
        assert (image.dtype, image.ndim, image.shape[2]) == (np.uint8, 3, 3)
        assert 0 < image.shape[0] * image.shape[1] <= MAX_PIXELS
        assert item.shape is None or image.shape[:2] == item.shape, item.name
        assert CANARY not in encode_png(image)
        assert CANARY not in image.tobytes()
    assert time.monotonic() - started < IN_TIME_S, item.name


def test_there_are_many_of_many_kinds() -> None:
    items = hostile_pictures()
    assert len(items) >= 300
    assert len(KINDS) >= 20
    assert len({(item.kind, item.name) for item in items}) == len(items)
    assert {item.right for item in items} == {"refused", "picture", "either"}
    assert sum(CANARY in item.content for item in items) >= 40
