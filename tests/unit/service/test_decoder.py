"""The sealed decoder: what it answers, what becomes of pictures that break it, and what it leaves behind."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from discreet.errors import DecoderError, PictureError
from discreet.inference.image_io import read_image
from discreet.service import decoder as decoding
from discreet.service.decoder import SealedDecoder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


def file_of(width: int = 60, height: int = 40, kind: str = "PNG", shade: int = 90) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (shade, 20, 30)).save(stream, kind)
    return stream.getvalue()


@pytest.fixture
def decoder() -> Iterator[SealedDecoder]:
    with contextlib.closing(SealedDecoder(max_pixels=1_000_000, timeout_s=2.0)) as made:
        yield made


def children(pid: int) -> list[int]:
    """Processes that one has started, ended ones that nobody asked for included."""
    told = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in told.read_text().split()]


def waiting_child(decoder: SealedDecoder) -> int:
    """The child that waits for the next picture."""
    for _ in range(400):
        with contextlib.suppress(OSError, ValueError):
            (child,) = children(decoder._pid)
            status = Path(f"/proc/{child}/status").read_text()
            # The last picture's child is listed until its parent has asked for it.
            if "Seccomp:\t2" in status and "State:\tZ" not in status:
                return child
        time.sleep(0.01)
    raise AssertionError("no sealed child")


def steady(look: Callable[[], object], wanted: object) -> bool:
    """Whether it comes to what is wanted within two seconds: a child more or less may be on its way."""
    for _ in range(200):
        with contextlib.suppress(OSError):
            if look() == wanted:
                return True
        time.sleep(0.01)
    return False


def test_it_answers_what_is_read_without_it(decoder: SealedDecoder) -> None:
    rng = np.random.default_rng(0)
    for kind in ("JPEG", "PNG", "WEBP"):
        stream = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (70, 50, 3), dtype=np.uint8)).save(stream, kind)
        np.testing.assert_array_equal(decoder.decode(stream.getvalue()), read_image(stream.getvalue()))


def test_it_refuses_in_the_same_words(decoder: SealedDecoder) -> None:
    for content in (b"", b"no picture", file_of()[:60], file_of(2000, 2000)):
        with pytest.raises(PictureError) as plain:
            read_image(content, max_pixels=1_000_000)
        with pytest.raises(PictureError) as sealed:
            decoder.decode(content)
        assert str(sealed.value) == str(plain.value)


def test_a_file_larger_than_the_shared_memory_is_refused(decoder: SealedDecoder) -> None:
    with pytest.raises(PictureError, match=r"20,000,000 bytes; at most"):
        decoder.decode(bytes(20_000_000))


def test_it_shrinks_where_asked(decoder: SealedDecoder) -> None:
    assert decoder.decode(file_of(600, 400), longest_side_px=300).shape == (200, 300, 3)
    assert decoder.decode(file_of(600, 400), longest_side_px=600).shape == (400, 600, 3)
    assert decoder.decode(file_of(600, 1), longest_side_px=10).shape == (1, 10, 3)


def test_a_picture_is_a_copy_that_later_ones_do_not_change(decoder: SealedDecoder) -> None:
    first = decoder.decode(file_of(shade=10))
    decoder.decode(file_of(shade=200))
    assert (first[..., 0] == 10).all()


def test_nothing_of_a_picture_stays_in_shared_memory(decoder: SealedDecoder) -> None:
    decoder.decode(file_of(shade=201))
    assert not any(decoder._shared[:])
    with pytest.raises(PictureError):
        decoder.decode(b"refused, and gone all the same")
    assert not any(decoder._shared[:])


def test_every_picture_has_a_process_of_its_own(decoder: SealedDecoder) -> None:
    seen = [waiting_child(decoder)]
    for _ in range(4):
        decoder.decode(file_of())
        assert gone(seen[-1])
        seen.append(waiting_child(decoder))
    assert len(set(seen)) == 5


def test_a_child_holds_nothing_of_its_parent() -> None:
    secret, other = os.pipe()
    with contextlib.closing(SealedDecoder(max_pixels=10_000)) as decoder:
        child = waiting_child(decoder)
        held = [os.readlink(entry) for entry in Path(f"/proc/{child}/fd").iterdir()]
        assert os.readlink(f"/proc/self/fd/{secret}") not in held
        assert sorted(name.split(":")[0] for name in held) == ["/dev/null"] * 3 + ["pipe"] * 2
    os.close(secret)
    os.close(other)


def lost_to(planted: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[SealedDecoder, float]]:
    """A decoder whose children meet a picture that does this to them; all other pictures are read."""

    def read(content: bytes, **options: object) -> np.ndarray:
        if content == planted.encode():
            exec(planted)
        return read_image(content)

    monkeypatch.setattr(decoding, "read_image", read)
    with contextlib.closing(SealedDecoder(max_pixels=100_000, timeout_s=1.0)) as decoder:
        yield decoder, time.monotonic()


FATES = {
    "hangs": "time.sleep(60)",
    "computes without end": "while True: pass",
    "dies": "os._exit(3)",
    "crashes": "import ctypes; ctypes.string_at(1)",
    "is killed": "signal.raise_signal(9); os.abort()",
    "wants all memory": "bytearray(1 << 36)",
    "opens a file": "open('/etc/hostname')",
    "starts a process": "os.fork()",
    "fails": "raise ValueError('quotes the picture')",
}


@pytest.mark.parametrize("fate", FATES)
def test_the_next_picture_works_whatever_became_of_one(fate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for decoder, started in lost_to(FATES[fate], monkeypatch):
        with pytest.raises(PictureError, match="within its limits") as refused:
            decoder.decode(FATES[fate].encode())
        assert time.monotonic() - started < 10
        assert "quotes" not in str(refused.value)
        assert decoder.decode(file_of()).shape == (40, 60, 3)


def test_an_answer_larger_than_allowed_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a taken-over child could say."""

    def forged(*_: object, **__: object) -> np.ndarray:
        for descriptor in range(3, 12):
            with contextlib.suppress(OSError):
                os.write(descriptor, decoding._ANSWER.pack(decoding._PIXELS, 1 << 20, 1 << 20))
        os._exit(0)

    real = decoding.read_image
    monkeypatch.setattr(decoding, "read_image", lambda *a, **k: forged() if a[0] == b"evil" else real(*a, **k))
    with contextlib.closing(SealedDecoder(max_pixels=100_000, timeout_s=1.0)) as decoder:
        with pytest.raises(PictureError, match="within its limits"):
            decoder.decode(b"evil")
        assert decoder.decode(file_of()).shape == (40, 60, 3)


def test_a_killed_child_is_replaced(decoder: SealedDecoder) -> None:
    os.kill(waiting_child(decoder), signal.SIGKILL)
    with pytest.raises(PictureError, match="within its limits"):
        decoder.decode(file_of())
    assert decoder.decode(file_of()).shape == (40, 60, 3)


def test_a_lost_decoder_is_told_apart_from_a_bad_picture(decoder: SealedDecoder) -> None:
    os.kill(decoder._pid, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(DecoderError, match="start another decoder"):
            decoder.decode(file_of())


def test_a_late_answer_is_never_that_of_the_next_picture(decoder: SealedDecoder) -> None:
    forking = decoder._pid
    decoder._connection.settimeout(0.2)
    os.kill(forking, signal.SIGSTOP)
    with pytest.raises(DecoderError, match="was lost"):
        decoder.decode(file_of(shade=10))
    with contextlib.suppress(ProcessLookupError):  # it would answer now
        os.kill(forking, signal.SIGCONT)
    time.sleep(0.2)
    with pytest.raises(DecoderError, match="is gone"):
        decoder.decode(file_of(shade=200))
    assert gone(forking)


def test_many_pictures_leave_no_process_and_no_descriptor(decoder: SealedDecoder) -> None:
    content, bad = file_of(8, 8), b"bad"

    def held() -> tuple[int, ...]:
        """Descriptors here and there, and children."""
        own, theirs = (len(os.listdir(f"/proc/{pid}/fd")) for pid in ("self", decoder._pid))
        return own, theirs, len(children(decoder._pid))

    decoder.decode(content)
    waiting_child(decoder)
    # Two pipes to the child, the socket to us, three to nowhere.
    assert steady(lambda: held()[1:], (6, 1))
    before = held()
    for number in range(250):
        if number % 10:
            decoder.decode(content)
        else:
            with pytest.raises(PictureError):
                decoder.decode(bad)
    assert steady(held, before)


def test_closing_ends_everything(decoder: SealedDecoder) -> None:
    pid, child = decoder._pid, waiting_child(decoder)
    decoder.close()
    decoder.close()
    assert not Path(f"/proc/{pid}").exists()
    assert gone(child)


def test_it_ends_when_its_owner_is_killed() -> None:
    code = "import time; from discreet.service.decoder import SealedDecoder\nd = SealedDecoder(max_pixels=10_000)\n"
    code += "print(d._pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        owner.kill()
    assert gone(pid)


def gone(pid: int) -> bool:
    """Whether a process ends within two seconds; one that only waits to be asked for has ended."""
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False
