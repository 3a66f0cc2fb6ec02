"""Folders of pictures: the same for any number of workers, whole or not there."""

import csv
import io
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from discreet.data import open_spec
from discreet.data.people import data_set, generate_people, render_picture
from discreet.data.people.develop import encode_jpeg
from discreet.data.people.masking import face_boxes
from discreet.errors import ConfigurationError, DataError
from discreet.labels import CIHP

COUNT, SIZE = 4, 64


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("people") / "one"
    ticks: list[int] = []
    generate_people(out, style="studio", count=COUNT, size_px=SIZE, seed=9, progress=ticks.append)
    assert ticks == [1] * COUNT
    return out


def test_two_workers_write_what_one_writes(folder: Path, tmp_path: Path) -> None:
    generate_people(tmp_path, style="studio", count=COUNT, size_px=SIZE, seed=9, workers=2)
    assert _files(tmp_path) == _files(folder)


def test_the_folder_format(folder: Path) -> None:
    names = [f"{index:05d}" for index in range(COUNT)]
    expected = {f"images/{name}.jpg" for name in names} | {
        f"{kind}/{name}.png" for kind in ("parts", "persons") for name in names
    }
    assert set(_files(folder)) == expected | {"subjects.csv", "labels.json", "people.json"}
    assert json.loads((folder / "labels.json").read_text()) == "cihp"
    with (folder / "subjects.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == names
    for index, row in enumerate(rows):
        picture = render_picture("studio", 9, index, SIZE)
        assert row["subject"] == picture.subjects[0]
        np.testing.assert_array_equal(np.asarray(Image.open(folder / "parts" / f"{row['name']}.png")), picture.parts)
        np.testing.assert_array_equal(
            np.asarray(Image.open(folder / "persons" / f"{row['name']}.png")), picture.persons
        )


def stop(*_: object) -> None:
    """Whoever started it has seen enough."""
    raise KeyboardInterrupt


def test_an_unfinished_set_has_no_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_set, "render_picture", stop)
    with pytest.raises(KeyboardInterrupt):
        generate_people(tmp_path, style="street", count=1, size_px=SIZE, seed=0)
    assert not (tmp_path / "labels.json").exists()


def test_a_set_is_never_written_over_another(folder: Path) -> None:
    before = _files(folder)
    for other in ({}, {"seed": 8}, {"count": 1}):
        with pytest.raises(ConfigurationError, match="not empty; choose another folder, or --resume"):
            generate_people(folder, **{"style": "studio", "count": COUNT, "size_px": SIZE, "seed": 9, **other})
    with pytest.raises(ConfigurationError, match="not empty"):
        generate_people(folder / "people.json", style="studio", count=COUNT, size_px=SIZE, seed=9, resume=True)
    assert _files(folder) == before


def test_a_finished_set_that_lacks_pictures_is_unfinished_until_they_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"style": "studio", "count": 2, "size_px": SIZE, "seed": 9}
    generate_people(tmp_path, **options)
    (tmp_path / "parts" / "00001.png").unlink()
    render = data_set.render_picture
    monkeypatch.setattr(data_set, "render_picture", stop)
    with pytest.raises(KeyboardInterrupt):
        generate_people(tmp_path, **options, resume=True)
    with pytest.raises(DataError, match=r"not all of them .* options in its people\.json: discreet people --resume"):
        open_spec(f"people:{tmp_path}")
    monkeypatch.setattr(data_set, "render_picture", render)
    generate_people(tmp_path, **options, resume=True)
    assert len(open_spec(f"people:{tmp_path}")) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"style": "beach"},
        {"style": "street,beach"},
        {"style": "street,street"},
        {"style": ""},
        {"count": 0},
        {"count": True},
        {"seed": False},
        {"size_px": 32},
        {"size_px": 2048},
        {"seed": -1},
        {"workers": 0},
        {"face_masks": 1.5},
    ],
)
def test_bad_options_are_refused_before_anything_is_written(tmp_path: Path, wrong: dict[str, object]) -> None:
    options: dict[str, object] = {"style": "street", "count": 1, "size_px": SIZE, "seed": 0, **wrong}
    with pytest.raises(ConfigurationError):
        generate_people(tmp_path / "out", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_stopped_set_resumed_is_the_set_uninterrupted(folder: Path, tmp_path: Path) -> None:
    generate_people(tmp_path, style="studio", count=COUNT, size_px=SIZE, seed=9)
    kept = tmp_path / "images" / "00000.jpg"
    before = kept.stat().st_mtime_ns
    for gone in ("labels.json", "subjects.csv", "images/00002.jpg", "parts/00003.png"):
        (tmp_path / gone).unlink()
    (tmp_path / "images" / ".00002.jpg.77.partial").write_bytes(b"half")
    generate_people(tmp_path, style="studio", count=COUNT, size_px=SIZE, seed=9, resume=True)
    assert _files(tmp_path) == _files(folder)
    assert kept.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "other",
    [{"style": "street"}, {"style": "studio,home"}, {"seed": 8}, {"size_px": 96}, {"count": 9}, {"face_masks": 0.5}],
)
def test_resuming_with_another_option_is_refused(folder: Path, other: dict[str, object]) -> None:
    options: dict[str, object] = {"style": "studio", "count": COUNT, "size_px": SIZE, "seed": 9, **other}
    before = _files(folder)
    with pytest.raises(ConfigurationError, match=f"begun with {next(iter(other))}"):
        generate_people(folder, resume=True, **options)  # type: ignore[arg-type]
    assert _files(folder) == before


def test_a_write_that_fails_leaves_no_half_file(tmp_path: Path) -> None:
    """The system stops every file after 600 bytes: some of each are written."""
    code = (
        "import resource; from pathlib import Path; from discreet.data.people import generate_people\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))\n"
        f"generate_people(Path({str(tmp_path)!r}), style='studio', count=1, size_px={SIZE}, seed=9)"
    )
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "File too large; make room or mend that, then go on with --resume" in done.stderr
    assert not [name for name in _files(tmp_path) if name.endswith(".partial")]
    assert not list(tmp_path.glob("images/*"))
    generate_people(tmp_path, style="studio", count=1, size_px=SIZE, seed=9, resume=True)
    assert len(open_spec(f"people:{tmp_path}")) == 1


def test_several_styles_take_turns_and_share_nobody(tmp_path: Path) -> None:
    generate_people(tmp_path, style="studio, home", count=COUNT, size_px=SIZE, seed=9)
    assert json.loads((tmp_path / "people.json").read_text())["style"] == "studio,home"
    with (tmp_path / "subjects.csv").open(newline="") as file:
        subjects = [row["subject"] for row in csv.DictReader(file)]
    for index, subject in enumerate(subjects):
        picture = render_picture(("studio", "home")[index % 2], 9, index // 2, SIZE)
        assert subject == picture.subjects[0]
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "parts" / f"{index:05d}.png")), picture.parts)
    assert not set(subjects[::2]) & set(subjects[1::2])
    (tmp_path / "images" / "00001.jpg").unlink()
    before = _files(tmp_path)
    generate_people(tmp_path, style="studio,home", count=COUNT, size_px=SIZE, seed=9, resume=True)
    assert before.items() < _files(tmp_path).items()


def test_files_are_as_good_as_the_pictures_say(folder: Path) -> None:
    for index in range(COUNT):
        picture = render_picture("studio", 9, index, SIZE)
        with Image.open(folder / "images" / f"{index:05d}.jpg") as file:
            steps = file.quantization  # type: ignore[attr-defined]
            difference = np.asarray(file).astype(float) - picture.image
        with Image.open(io.BytesIO(encode_jpeg(picture.image, picture.quality))) as again:
            assert steps == again.quantization  # type: ignore[attr-defined]
        assert np.abs(difference).mean() < 3


@pytest.mark.slow
def test_every_part_and_a_crowd_occur() -> None:
    """Among the first pictures of three styles."""
    missing, most_persons = set(range(len(CIHP))), 0
    for style, index in itertools.product(("street", "home", "store"), range(16)):
        picture = render_picture(style, 1, index, SIZE)
        missing -= set(np.unique(picture.parts).tolist())
        most_persons = max(most_persons, int(picture.persons.max()))
        if not missing and most_persons >= 9:
            break
    assert missing == set()
    assert most_persons >= 9


def test_masking_changes_the_faces_alone() -> None:
    seen = 0
    for index in range(4):
        clear = render_picture("studio", 9, index, 128)
        masked = render_picture("studio", 9, index, 128, face_masks=1.0)
        np.testing.assert_array_equal(clear.parts, masked.parts)
        np.testing.assert_array_equal(clear.persons, masked.persons)
        changed = (clear.image != masked.image).any(2)
        boxes = face_boxes(clear.parts, clear.persons)
        for x0, y0, x1, y1 in boxes:
            face = ((clear.persons > 0) & (clear.parts == 13))[int(y0) : int(y1), int(x0) : int(x1)]
            assert not face.sum() > 200 or changed[int(y0) : int(y1), int(x0) : int(x1)][face].mean() > 0.9
            seen += bool(face.sum() > 200)
            # Half of 1.5 boxes, and what a detector errs by.
            half_x, half_y, middle_x, middle_y = 1.1 * (x1 - x0), 1.1 * (y1 - y0), (x0 + x1) / 2, (y0 + y1) / 2
            left, top = max(int(middle_x - half_x), 0), max(int(middle_y - half_y), 0)
            changed[top : int(middle_y + half_y) + 1, left : int(middle_x + half_x) + 1] = False
        assert not changed.any()
    assert seen


def test_a_head_from_behind_is_not_masked() -> None:
    """Hair in the middle, an ear at each side; and a face under a fringe."""
    parts, persons = np.zeros((40, 40), np.uint8), np.zeros((40, 40), np.uint8)
    persons[5:35, 5:35] = 1
    parts[5:35, 5:35] = 2
    parts[18:24, 5:8] = parts[18:24, 32:35] = 13
    assert face_boxes(parts, persons) == []
    parts[12:35, 8:32] = 13
    assert face_boxes(parts, persons) == [(5.0, 12.0, 35.0, 35.0)]
