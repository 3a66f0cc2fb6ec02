"""Pictures are decoded in sealed processes of their own: right, in time, and whatever a file does ends with it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from discreet.errors import PictureError
from discreet.inference.image_io import read_image
from discreet.service.decoder import SealedDecoder


def encoded(kind: str, size: tuple[int, int] = (40, 30)) -> bytes:
    rng = np.random.default_rng(1)
    stream = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(stream, kind)
    return stream.getvalue()


@pytest.fixture(scope="module")
def decoder() -> Iterator[SealedDecoder]:
    opened = SealedDecoder(max_pixels=1_000_000, timeout_s=5.0)
    yield opened
    opened.close()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pixels_are_those_of_decoding_here(decoder: SealedDecoder, kind: str) -> None:
    content = encoded(kind)
    np.testing.assert_array_equal(decoder.decode(content), read_image(content))


def test_refusals_say_what_decoding_here_says(decoder: SealedDecoder) -> None:
    for content in (b"", b"nothing", encoded("PNG")[:200], encoded("PNG", (1001, 1000))):
        with pytest.raises(PictureError) as here:
            read_image(content, max_pixels=1_000_000)
        with pytest.raises(PictureError) as there:
            decoder.decode(content)
        assert str(here.value) == str(there.value)


def test_a_file_larger_than_the_shared_memory_is_refused() -> None:
    small = SealedDecoder(max_pixels=1000)
    with pytest.raises(PictureError, match="at most"):
        small.decode(bytes(20_000_000))
    small.close()


def waiting_child(decoder: SealedDecoder) -> int:
    """The process that waits for the next picture."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        found = subprocess.run(
            ["pgrep", "-P", str(decoder._pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        if found:
            return int(found[0])
        time.sleep(0.01)
    raise AssertionError("no child waits")


def test_a_killed_child_is_a_refusal_and_the_next_picture_is_decoded(decoder: SealedDecoder) -> None:
    os.kill(waiting_child(decoder), signal.SIGKILL)
    with pytest.raises(PictureError, match="within its limits"):
        decoder.decode(encoded("PNG"))
    assert decoder.decode(encoded("PNG")).shape == (30, 40, 3)


def test_a_hanging_child_is_given_up_in_time() -> None:
    impatient = SealedDecoder(timeout_s=0.5)
    os.kill(waiting_child(impatient), signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(PictureError, match="within its limits"):
        impatient.decode(encoded("PNG"))
    assert time.monotonic() - started < 3
    assert impatient.decode(encoded("PNG")).shape == (30, 40, 3)
    impatient.close()


def test_every_picture_has_a_process_of_its_own(decoder: SealedDecoder) -> None:
    first = waiting_child(decoder)
    decoder.decode(encoded("PNG"))
    end = time.monotonic() + 5
    while Path(f"/proc/{first}").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    assert waiting_child(decoder) != first


def test_nothing_of_a_picture_stays_in_the_shared_memory(decoder: SealedDecoder) -> None:
    decoder.decode(encoded("JPEG", (300, 300)))
    assert not any(decoder._shared[: 300 * 300 * 3])
    with pytest.raises(PictureError):
        decoder.decode(b"\xff\xd8" + b"secret" * 1000)
    assert not any(decoder._shared[:10_000])


def test_hundreds_of_pictures_leave_no_process_and_no_descriptor(decoder: SealedDecoder) -> None:
    content, broken = encoded("JPEG"), encoded("JPEG")[:100]
    decoder.decode(content)
    before = len(os.listdir(f"/proc/{decoder._pid}/fd"))
    for number in range(200):
        if number % 5 == 0:
            with pytest.raises(PictureError):
                decoder.decode(broken)
        else:
            decoder.decode(content)
    assert len(os.listdir(f"/proc/{decoder._pid}/fd")) <= before + 4  # a child more or less may be on its way
    children = subprocess.run(["pgrep", "-P", str(decoder._pid)], capture_output=True, text=True, check=False)
    assert len(children.stdout.split()) <= 1


def test_its_processes_end_with_their_owner(tmp_path: Path) -> None:
    code = (
        "from discreet.service.decoder import SealedDecoder; import time;"
        "d = SealedDecoder(); print(d._pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        nursery = int(owner.stdout.readline())
        owner.kill()
    end = time.monotonic() + 5
    while Path(f"/proc/{nursery}").exists() and "Z" not in Path(f"/proc/{nursery}/stat").read_text().split()[2]:
        assert time.monotonic() < end
        time.sleep(0.02)
