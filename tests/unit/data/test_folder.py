"""The folder format: labels of any number, subjects, and what is left over."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from discreet.data import check_source, data_stats, open_spec, require_subjects
from discreet.data.files import FileSource
from discreet.data.pictures import read_ids
from discreet.errors import DataError


def write(folder: Path, names: tuple[str, ...] = ("a", "b"), labels: object = "cihp") -> Path:
    for kind in ("images", "parts"):
        (folder / kind).mkdir(parents=True)
    for name in names:
        Image.new("RGB", (8, 6), (200, 10, 10)).save(folder / "images" / f"{name}.png")
        Image.new("L", (8, 6), 1).save(folder / "parts" / f"{name}.png")
    (folder / "labels.json").write_text(json.dumps(labels))
    return folder


def whats(folder: Path) -> list[tuple[str, str]]:
    return [(Path(problem.file).name, problem.what) for problem in check_source(f"folder:{folder}").problems]


def test_any_number_of_parts_with_sides(tmp_path: Path) -> None:
    labels = {"names": ["sky", *(f"part {k}" for k in range(1, 60))], "flip_pairs": [[3, 4]]}
    source = open_spec(f"folder:{write(tmp_path, labels=labels)}")
    assert len(source.label_set) == 60
    assert source.label_set.flip_table()[[3, 4, 5]].tolist() == [4, 3, 5]
    assert source[0].persons is None


def test_an_id_beyond_the_sets_own_parts_is_refused(tmp_path: Path) -> None:
    source = open_spec(f"folder:{write(tmp_path, labels=['sky', 'shirt'])}")
    Image.new("L", (8, 6), 2).save(tmp_path / "parts" / "a.png")
    with pytest.raises(DataError, match=r"holds id 2; .* has ids 0 to 1"):
        source[0]


def test_one_bit_maps_are_ids_zero_and_one(tmp_path: Path) -> None:
    write(tmp_path)
    Image.new("1", (8, 6), 1).save(tmp_path / "parts" / "a.png")
    assert set(np.unique(open_spec(f"folder:{tmp_path}")[0].parts)) == {1}


def png(rows: list[list[int]], depth: int) -> bytes:
    """A grey PNG of so many bits a pixel, which Pillow does not write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    bits = ("".join(f"{value:0{depth}b}" for value in row) for row in rows)
    lines = (b"\0" + int(line, 2).to_bytes(len(line) // 8, "big") for line in bits)
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), depth, 0, 0, 0, 0)
    chunks = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"".join(lines))), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("depth", "ids"), [(1, [0, 1]), (2, [0, 1, 2, 3]), (4, [0, 1, 5, 15]), (8, [0, 1, 17, 255]), (16, [0, 1, 17, 255])]
)
def test_ids_are_what_the_file_says_at_any_number_of_bits(tmp_path: Path, depth: int, ids: list[int]) -> None:
    write(tmp_path)
    (tmp_path / "persons").mkdir()
    row = (ids * 8)[:8]
    for kind in ("parts", "persons"):
        (tmp_path / kind / "a.png").write_bytes(png([row] * 6, depth))
    source = open_spec(f"folder:{tmp_path}")
    assert read_ids(tmp_path / "persons" / "a.png")[5].tolist() == row
    assert source[0].parts[0].tolist() == row


def test_sixteen_bits_a_pixel_are_read_as_eight(tmp_path: Path) -> None:
    write(tmp_path)
    grey = np.full((6, 8), 0x4080, np.uint16)
    Image.fromarray(grey).save(tmp_path / "images" / "a.png")
    assert set(np.unique(open_spec(f"folder:{tmp_path}")[0].image)) == {0x40}


def turned(path: Path, pixels: np.ndarray, orientation: int) -> None:
    """A picture whose camera says how it was held."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)


def test_pictures_are_turned_as_their_camera_says(tmp_path: Path) -> None:
    """Shown upright, the picture is 6 wide and 8 high; so are labels drawn upon it."""
    write(tmp_path, names=("a",))
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    turned(tmp_path / "images" / "a.png", pixels, 6)
    Image.new("L", (6, 8), 1).save(tmp_path / "parts" / "a.png")
    assert np.array_equal(open_spec(f"folder:{tmp_path}")[0].image, np.rot90(pixels, -1))
    assert whats(tmp_path) == []


def test_labels_of_a_picture_as_its_pixels_lie_are_refused_with_the_reason(tmp_path: Path) -> None:
    write(tmp_path)
    turned(tmp_path / "images" / "a.png", np.zeros((6, 8, 3), np.uint8), 6)
    turned(tmp_path / "images" / "b.png", np.zeros((6, 9, 3), np.uint8), 6)
    wrong = dict(whats(tmp_path))
    assert wrong["a.png"] == (
        "is 8×6, its picture 6×8; its camera says to turn it (EXIF orientation 6): remove that from the pictures of "
        "this set if they were labelled as their pixels lie"
    )
    assert wrong["b.png"] == "is 8×6, its picture 6×9; make them equal"


@pytest.mark.parametrize(("orientation", "size"), [(3, (8, 6)), (2, (8, 6)), (6, (8, 8)), (8, (8, 8))])
def test_where_labels_fit_a_turned_picture_either_way_the_check_says_so(
    tmp_path: Path, orientation: int, size: tuple[int, int]
) -> None:
    write(tmp_path, names=("a",))
    turned(tmp_path / "images" / "a.png", np.zeros((*size[::-1], 3), np.uint8), orientation)
    Image.new("L", size, 1).save(tmp_path / "parts" / "a.png")
    ((file, what),) = whats(tmp_path)
    assert file == "a.png"
    assert f"(EXIF orientation {orientation}), and its labels fit either way: see which is right" in what


@pytest.mark.parametrize("orientation", [0, 1, 9])
def test_an_orientation_that_turns_nothing_is_none(tmp_path: Path, orientation: int) -> None:
    write(tmp_path, names=("a",))
    turned(tmp_path / "images" / "a.png", np.zeros((6, 8, 3), np.uint8), orientation)
    assert whats(tmp_path) == []


def test_an_unknown_person_is_ignored_with_its_parts(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "persons").mkdir()
    persons = np.array([[1] * 4 + [255] * 4] * 6, np.uint8)
    for name in ("a", "b"):
        Image.fromarray(persons).save(tmp_path / "persons" / f"{name}.png")
    sample = open_spec(f"folder:{tmp_path}")[0]
    assert sample.persons is not None
    assert sample.persons[0].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    assert sample.parts[0].tolist() == [1, 1, 1, 1, 255, 255, 255, 255]


def test_persons_on_background_are_a_problem_and_an_edge_is_none(tmp_path: Path) -> None:
    names = ("a", "b")
    write(tmp_path, names)
    (tmp_path / "persons").mkdir()
    for name, columns in zip(names, (51, 60), strict=True):
        Image.new("RGB", (100, 6)).save(tmp_path / "images" / f"{name}.png")
        parts, persons = np.zeros((2, 6, 100), np.uint8)
        parts[:, :50], persons[:, :columns] = 1, 1
        parts[0], persons[1] = 255, 255  # unknown either way
        persons[:5, 50] = 0  # one pixel in a hundred and one is an edge
        Image.fromarray(parts).save(tmp_path / "parts" / f"{name}.png")
        Image.fromarray(persons).save(tmp_path / "persons" / f"{name}.png")
    what = "has nobody on 0 pixels of parts, and persons on 37 of background; correct it, or the parts"
    assert whats(tmp_path) == [("b.png", what)]


def test_what_other_labels_call_background_is_nobodys(tmp_path: Path) -> None:
    """Skin of the torso (10) is background to LIP; a face (13) is none."""
    write(tmp_path, names=("a",))
    (tmp_path / "persons").mkdir()
    Image.fromarray(np.array([[0, 0, 10, 10, 13, 13, 255, 255]] * 6, np.uint8)).save(tmp_path / "parts" / "a.png")
    Image.fromarray(np.array([[0, 0, 1, 1, 1, 1, 1, 1]] * 6, np.uint8)).save(tmp_path / "persons" / "a.png")
    sample = open_spec(f"folder:{tmp_path}?labels=lip")[0]
    assert sample.persons is not None
    assert sample.parts[0].tolist() == [0, 0, 0, 0, 13, 13, 255, 255]
    assert sample.persons[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_subjects_are_read_and_required(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "subjects.csv").write_text("name,subject,note\na, anna ,\nb,bo,\n", encoding="utf-8-sig")
    source = open_spec(f"folder:{tmp_path}")
    assert list(require_subjects(source)) == ["anna", "bo"]
    assert check_source(f"folder:{tmp_path}").num_subjects == 2


def test_a_missing_subject_file_is_refused_only_where_it_is_needed(tmp_path: Path) -> None:
    source = open_spec(f"folder:{write(tmp_path)}")
    assert source.subjects == (None, None)
    with pytest.raises(DataError, match=r'subjects\.csv .* or use unit = "image"'):
        require_subjects(source)


def test_subjects_that_lack_or_invent_pictures_are_problems(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "subjects.csv").write_text("name,subject\na,anna\nz,zoe\n")
    found = whats(tmp_path)
    assert ("subjects.csv", "lacks picture b; add a line b,SUBJECT") in found
    assert any(file == "subjects.csv" and what.startswith("names z,") for file, what in found)
    assert len(found) == 2


def test_a_picture_that_two_subjects_claim_has_none(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "subjects.csv").write_text("name,subject\na,anna\nb,bo\na,bo\n")
    with pytest.raises(DataError, match="picture a has no subject"):
        require_subjects(open_spec(f"folder:{tmp_path}"))
    assert any("another subject" in what for _, what in whats(tmp_path))


def shared(folder: Path, what: str) -> FileSource:
    return open_spec(f"folder:{folder}", shared_pictures=what)  # type: ignore[arg-type]


def test_pictures_that_several_share_are_refused_dropped_or_given_to_the_first(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "subjects.csv").write_text("name,subject\na,anna\nb,bo\na,bo\n")
    with pytest.raises(DataError, match="picture a has no subject"):
        require_subjects(shared(tmp_path, "refuse"))
    dropped = shared(tmp_path, "drop")
    assert (list(dropped.names), list(require_subjects(dropped)), len(dropped)) == (["b"], ["bo"], 1)
    assert dropped[0].name == "b"
    assigned = shared(tmp_path, "assign")
    assert list(require_subjects(assigned)) == ["anna", "bo"]
    assert sum("data.shared_pictures" in what for _, what in whats(tmp_path)) == 1, "each is counted by data check"


def test_a_set_of_nothing_but_shared_pictures_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "subjects.csv").write_text("name,subject\na,anna\nb,bo\na,bo\nb,anna\n")
    with pytest.raises(DataError, match="every picture shows several subjects"):
        shared(tmp_path, "drop")


@pytest.mark.parametrize("content", [b"picture,owner\na,anna\n", b"name,subject\n\xff\xfe,anna\n", b""])
def test_a_subject_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (write(tmp_path) / "subjects.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"subjects\.csv"):
        open_spec(f"folder:{tmp_path}")


def test_labels_without_a_picture_and_pictures_of_one_name_are_problems(tmp_path: Path) -> None:
    write(tmp_path)
    Image.new("L", (8, 6), 1).save(tmp_path / "parts" / "ghost.png")
    Image.new("RGB", (8, 6)).save(tmp_path / "images" / "a.jpg")
    found = dict(whats(tmp_path))
    assert "belongs to no picture" in found["ghost.png"]
    assert "has the name of a.jpg" in found["a.png"]


@pytest.mark.parametrize(
    "labels", ["nobody-knows", {"names": ["a", "a"]}, {"names": ["a", "b"], "flip_pairs": [[1, 7]]}]
)
def test_labels_that_make_no_sense_are_refused(tmp_path: Path, labels: object) -> None:
    with pytest.raises(DataError, match=r"labels\.json"):
        open_spec(f"folder:{write(tmp_path, labels=labels)}")


def test_stats_count_pixels_by_part_and_stop_at_a_broken_file(tmp_path: Path) -> None:
    write(tmp_path)
    Image.fromarray(np.array([[0, 5, 255, 5]] * 3, np.uint8)).save(tmp_path / "parts" / "b.png")
    Image.new("RGB", (4, 3)).save(tmp_path / "images" / "b.png")
    stats = data_stats(f"folder:{tmp_path}")
    assert (stats.num_samples, stats.ignored) == (2, 3)
    assert {name: count for name, count in stats.pixels.items() if count} == {
        "Background": 3,
        "Hat": 48,
        "UpperClothes": 6,
    }
    (tmp_path / "images" / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.png cannot be read"):
        data_stats(f"folder:{tmp_path}")
