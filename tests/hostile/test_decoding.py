"""Every hostile file gets a picture or a refusal, in time; nothing of it but pixels comes out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from discreet.errors import PictureError
from discreet.service.decoder import SealedDecoder
from tests.hostile.pictures import SECRET, hostile_pictures

IN_TIME_S = 6.0


@pytest.fixture(scope="module")
def decoder() -> Iterator[SealedDecoder]:
    opened = SealedDecoder(timeout_s=5.0)
    yield opened
    opened.close()


def decoded(decoder: SealedDecoder, content: bytes) -> NDArray[np.uint8] | str:
    """The pixels, or what was said instead."""
    try:
        return decoder.decode(content)
    except PictureError as problem:
        return str(problem)


def test_hostile_files(decoder: SealedDecoder) -> None:
    told: Counter[str] = Counter()
    for hostile in hostile_pictures():
        started = time.monotonic()
        answer = decoded(decoder, hostile.content)
        if isinstance(answer, str):
            assert hostile.readable is not True, (hostile.kind, answer)
            assert SECRET.decode() not in answer
            told["refused"] += 1
        else:
            assert hostile.readable is not False, hostile.kind
            assert answer.dtype == np.uint8
            assert answer.ndim == 3
            assert 0 < answer.size <= 75_000_000
            assert SECRET not in answer.tobytes()
            told["read"] += 1
        assert time.monotonic() - started < IN_TIME_S, hostile.kind
    assert told.total() >= 300
    assert min(told.values()) >= 50
