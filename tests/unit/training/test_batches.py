"""Reading ahead changes no bit, holds little, and ends."""

from __future__ import annotations

import json
import multiprocessing
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from discreet.data import open_spec
from discreet.data.transforms import AugmentSettings
from discreet.errors import DataError
from discreet.m2fp import build
from discreet.training.batches import Batch, BatchLoader
from discreet.training.reader import PictureReader
from discreet.training.units import Units, units_of


def loader_of(folder: Path, num_threads: int, num_processes: int = 0) -> BatchLoader:
    source = open_spec(f"folder:{folder}")
    model = build("m2fp-lite", 4, seed=0)
    settings = AugmentSettings.of_strength("full", (64, 64))
    return BatchLoader(
        source, units_of(source, "image"), settings, model, seed=3, num_threads=num_threads,
        num_processes=num_processes,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for kind in ("images", "parts"):
        (tmp_path / kind).mkdir()
    for name in "abcdef":
        Image.fromarray(rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)).save(tmp_path / "images" / f"{name}.jpg")
        Image.fromarray(rng.integers(0, 3, (50, 70), dtype=np.uint8)).save(tmp_path / "parts" / f"{name}.png")
    (tmp_path / "labels.json").write_text(json.dumps(["sky", "shirt", "hat"]))
    return tmp_path


def same(one: Batch | None, other: Batch | None) -> bool:
    assert one is not None
    assert other is not None
    return torch.equal(one.images, other.images) and all(
        torch.equal(a.get_state(), b.get_state()) for a, b in zip(one.generators, other.generators, strict=True)
    )


@pytest.mark.parametrize("num_threads", [1, 4])
def test_what_was_expected_is_bit_for_bit_what_is_read_when_asked(folder: Path, num_threads: int) -> None:
    plain, ahead = loader_of(folder, 0), loader_of(folder, num_threads)
    for step in range(3):
        ahead.expect([5, 0, 2], step)
        assert same(ahead.load([5, 0, 2], step), plain.load([5, 0, 2], step))
        assert not same(ahead.load([5, 0, 2], step), plain.load([5, 0, 2], step + 1)), "steps differ"
    ahead.close()


def test_processes_read_the_same_bits_as_threads_and_end_when_closed(folder: Path) -> None:
    plain, ahead = loader_of(folder, 0), loader_of(folder, 0, num_processes=2)
    (folder / "images" / "b.jpg").write_bytes(b"")
    for step in range(2):
        ahead.expect([5, 0, 2, 1, 4], step)
        assert same(ahead.load([5, 0, 2, 1, 4], step), plain.load([5, 0, 2, 1, 4], step))
    assert multiprocessing.active_children()
    ahead.close()
    assert not multiprocessing.active_children()


def test_a_reading_process_that_is_killed_is_an_error_with_a_way_out(folder: Path) -> None:
    ahead = loader_of(folder, 0, num_processes=1)
    ahead.expect([0, 1], 0)
    assert ahead.load([0, 1], 0) is not None
    for child in multiprocessing.active_children():
        child.kill()
        child.join()
    with pytest.raises(DataError, match="go on with --resume"):
        read_ahead(ahead)
    ahead.close()


def read_ahead(loader: BatchLoader) -> None:
    """Steps enough for a pool to notice that somebody is gone."""
    for step in range(1, 100):
        loader.expect([0, 1], step)
        loader.load([0, 1], step)


def test_a_batch_is_what_the_network_eats_of_each_picture(folder: Path) -> None:
    loader = loader_of(folder, 0)
    batch, reader = loader.load([3, 1], 0), loader._reader
    assert batch is not None
    model = build("m2fp-lite", 4, seed=0)
    expected = model.batch([model.normalise(view.image) for view in reader.read([3, 1], 0)])
    assert torch.equal(batch.images, expected)
    assert batch.images.stride() == expected.stride()


def test_another_batch_than_expected_is_read_and_not_mistaken(folder: Path) -> None:
    plain, ahead = loader_of(folder, 0), loader_of(folder, 2)
    ahead.expect([0, 1], 0)
    assert same(ahead.load([2, 3], 0), plain.load([2, 3], 0))
    assert same(ahead.load([0, 1], 1), plain.load([0, 1], 1))
    ahead.close()


def test_a_picture_that_became_unreadable_is_left_out_in_threads_too(folder: Path) -> None:
    ahead = loader_of(folder, 2)
    (folder / "images" / "b.jpg").write_bytes(b"")
    ahead.expect([0, 1, 2], 0)
    batch = ahead.load([0, 1, 2], 0)
    assert batch is not None
    assert len(batch) == 2
    ahead.expect([1], 1)
    assert ahead.load([1], 1) is None
    ahead.close()


def test_what_a_thread_raises_reaches_the_caller_and_closing_ends_the_threads(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = loader_of(folder, 2)
    monkeypatch.setattr(PictureReader, "read", lambda reader, units, step: 1 // 0)
    ahead.expect([0, 1], 0)
    with pytest.raises(ZeroDivisionError):
        ahead.load([0, 1], 0)
    ahead.expect([0, 1], 1)
    ahead.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("discreet-reader")]


def views_of(folder: Path, views: int, owned: tuple[tuple[int, ...], ...], strength: str = "full") -> BatchLoader:
    source = open_spec(f"folder:{folder}")
    settings = AugmentSettings.of_strength(strength, (64, 64))  # type: ignore[arg-type]
    return BatchLoader(
        source, Units(owned), settings, build("m2fp-lite", 4, seed=0), seed=3, num_threads=0, views=views
    )


EVERY_PICTURE = tuple((picture,) for picture in range(6))


def test_views_of_a_picture_stay_together_and_differ(folder: Path) -> None:
    three = views_of(folder, 3, EVERY_PICTURE).load([4, 1], 2)
    one = views_of(folder, 1, EVERY_PICTURE).load([4, 1], 2)
    assert three is not None
    assert one is not None
    assert len(three) == 6
    assert torch.equal(three.images[0], one.images[0]), "the first view is the only one of a run without others"
    assert torch.equal(three.images[3], one.images[1])
    assert len({row.numpy().tobytes() for row in three.images}) == 6
    alone = views_of(folder, 3, EVERY_PICTURE).load([1], 2)
    assert alone is not None
    assert torch.equal(alone.images, three.images[3:]), "who else is in the batch changes nothing"


def test_a_unit_whose_view_is_unreadable_is_left_out_whole(folder: Path) -> None:
    loader = views_of(folder, 2, EVERY_PICTURE)
    (folder / "images" / "b.jpg").write_bytes(b"")
    batch = loader.load([0, 1, 2], 0)
    assert batch is not None
    assert len(batch) == 4


def test_a_subject_shows_as_many_of_its_pictures_as_there_are_views(folder: Path) -> None:
    single = [views_of(folder, 1, EVERY_PICTURE, "none").load([picture], 0) for picture in range(6)]
    known = {batch.images[0].numpy().tobytes(): picture for picture, batch in enumerate(single) if batch is not None}
    seen: list[int] = []
    for step in range(20):
        batch = views_of(folder, 2, ((0, 1, 2), (3, 4, 5)), "none").load([0, 1], step)
        assert batch is not None
        shown = [known[row.numpy().tobytes()] for row in batch.images]
        assert len(set(shown)) == 4, "two different ones of each"
        assert set(shown[:2]) < {0, 1, 2}
        assert set(shown[2:]) < {3, 4, 5}
        seen += shown
    assert set(seen) == set(range(6)), "over the steps, all of them"
