"""One suite that every reader passes, on tiny trees in the exact layout that is published."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from discreet.data import check_source, data_stats, open_spec
from discreet.data.files import FileSource
from discreet.errors import DataError

SIZES = ((32, 24), (24, 40), (33, 17))  # height, width


def picture(index: int) -> NDArray[np.uint8]:
    height, width = SIZES[index]
    return np.random.default_rng(index).integers(0, 256, (height, width, 3), dtype=np.uint8)


def part_map(index: int) -> NDArray[np.uint8]:
    """Two halves of two persons: parts 13 and 5 left, 13 and 9 right; a line of ignored pixels."""
    height, width = SIZES[index]
    parts = np.zeros((height, width), np.uint8)
    parts[2:8, :] = 13
    parts[8:14, : width // 2], parts[8:14, width // 2 :] = 5, 9
    parts[-1] = 255
    return parts


def person_map(index: int) -> NDArray[np.uint8]:
    height, width = SIZES[index]
    persons = np.zeros((height, width), np.uint8)
    persons[2:14, : width // 2], persons[2:14, width // 2 :] = 1, 2
    return persons


def save(path: Path, array: NDArray[np.generic], palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    if palette:
        image = image.convert("P") if image.mode != "L" else image
        image.putpalette([value for grey in range(256) for value in (grey, 255 - grey, 7)])
    image.save(path, **({"quality": 95} if path.suffix == ".jpg" else {}))


@dataclass(frozen=True)
class Tree:
    """A data set on disk, and where the files of its picture 1 are."""

    spec: str
    image: Path
    parts: Path
    persons: Path | None


def cihp_tree(root: Path, kind: str) -> Tree:
    for index in range(3):
        folder, name = root / "Training", f"{index + 6:07d}"
        save(folder / "Images" / f"{name}.jpg", picture(index))
        save(folder / "Category_ids" / f"{name}.png", part_map(index))
        if kind == "Human_ids":
            save(folder / kind / f"{name}.png", person_map(index))
            continue
        parts, persons = part_map(index).astype(np.int32), person_map(index).astype(np.int32)
        # The 20th person of a crowd: values beyond 255, as in the published 16-bit files.
        persons[persons == 2] = 20
        values = np.where(persons > 0, (persons - 1) * 20 + parts, 0)
        save(folder / kind / f"{name}.png", values.astype(np.uint16))
        lines = [f"{value} {value % 20} {value // 20 + 1}\n" for value in np.unique(values) if value]
        (folder / kind / f"{name}.txt").write_text("".join(lines))
    folder = root / "Training"
    return Tree(
        f"cihp:{root}@train",
        folder / "Images/0000007.jpg",
        folder / "Category_ids/0000007.png",
        folder / kind / "0000007.png",
    )


def lip_tree(root: Path) -> Tree:
    names = ["124117_202251", "124117_431955", "77_1000"]
    for index, name in enumerate(names):
        save(root / "val_images" / f"{name}.jpg", picture(index))
        save(root / "val_segmentations" / f"{name}.png", part_map(index))
    (root / "val_id.txt").write_text("\n".join(names) + "\n")
    return Tree(
        f"lip:{root}@val", root / f"val_images/{names[1]}.jpg", root / f"val_segmentations/{names[1]}.png", None
    )


def lip_tree_of_m2fp(root: Path) -> Tree:
    names = ["124117_202251", "124117_431955", "77_1000"]
    for index, name in enumerate(names):
        save(root / "Validation" / "Images" / f"{name}.jpg", picture(index))
        save(root / "Validation" / "Category_ids" / f"{name}.png", part_map(index))
    folder = root / "Validation"
    return Tree(f"lip:{root}@val", folder / f"Images/{names[1]}.jpg", folder / f"Category_ids/{names[1]}.png", None)


def folder_tree(root: Path, kind: str, split: str = "") -> Tree:
    folder = root / split if split else root
    for index, name in enumerate(("a", "b", "c")):
        save(folder / "images" / f"{name}.jpg", picture(index))
        save(folder / "parts" / f"{name}.png", part_map(index), palette=True)
        save(folder / "persons" / f"{name}.png", person_map(index))
    (folder / "labels.json").write_text(json.dumps("cihp"))
    (folder / "subjects.csv").write_text("name,subject\na,anna\nb,anna\nc,bo\n")
    return Tree(
        f"{kind}:{root}" + (f"@{split}" if split else ""),
        folder / "images/b.jpg",
        folder / "parts/b.png",
        folder / "persons/b.png",
    )


MAKERS: dict[str, Callable[[Path], Tree]] = {
    "cihp-humans": lambda root: cihp_tree(root, "Human_ids"),
    "cihp-instances": lambda root: cihp_tree(root, "Instance_ids"),
    "lip": lip_tree,
    "lip-m2fp": lip_tree_of_m2fp,
    "folder": lambda root: folder_tree(root, "folder", "val"),
    "people": lambda root: folder_tree(root, "people"),
}


@pytest.fixture(params=sorted(MAKERS))
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    return MAKERS[request.param](tmp_path / "set")


@pytest.fixture(params=sorted(set(MAKERS) - {"lip", "lip-m2fp"}))
def tree_with_persons(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Tree, Path]:
    """A data set of a format that tells persons apart, and the person map of its picture 1."""
    tree = MAKERS[request.param](tmp_path / "set")
    assert tree.persons is not None
    return tree, tree.persons


def source_of(tree: Tree) -> FileSource:
    return open_spec(tree.spec)


def test_reads_every_picture_as_it_was_written(tree: Tree) -> None:
    source = source_of(tree)
    assert len(source) == len(source.names) == len(source.subjects) == len(set(source.names)) == 3
    assert source.spec == tree.spec
    assert source.label_set.names[13] == "Face"
    for index in range(3):
        sample = source[index]
        assert sample.name == source.names[index]
        assert sample.subject == source.subjects[index]
        assert (sample.image.dtype, sample.image.shape) == (np.uint8, (*SIZES[index], 3))
        assert sample.parts.dtype == np.uint8
        np.testing.assert_array_equal(sample.parts, part_map(index))


def test_persons_are_told_apart_where_the_format_does(tree: Tree) -> None:
    for index, sample in enumerate(source_of(tree)):
        if tree.persons is None:
            assert sample.persons is None
            continue
        assert sample.persons is not None
        assert sample.persons.dtype == np.uint8
        ids = np.where(sample.persons == 20, 2, sample.persons)
        np.testing.assert_array_equal(ids, person_map(index))


def test_a_sound_set_has_no_problems(tree: Tree) -> None:
    calls: list[int] = []
    report = check_source(tree.spec, begin=lambda total: lambda: calls.append(total))
    assert (report.num_samples, report.problems) == (3, ())
    assert calls == [3, 3, 3]
    stats = data_stats(tree.spec)
    assert stats.pixels["Face"] == sum(6 * width for _, width in SIZES)
    assert stats.ignored == sum(width for _, width in SIZES)


def break_file(tree: Tree, fault: str) -> Path:
    """Do one thing to the files of picture 1; returns the file at fault."""
    if fault == "truncated picture":
        tree.image.write_bytes(tree.image.read_bytes()[:-200])
        return tree.image
    if fault == "missing picture":
        # What is listed by what is there has one picture less; what is listed in a file lacks it.
        tree.image.write_bytes(b"")
        return tree.image
    if fault == "missing parts":
        tree.parts.unlink()
    elif fault == "parts of another size":
        save(tree.parts, part_map(0))
    elif fault == "part out of range":
        save(tree.parts, np.where(part_map(1) == 13, 20, part_map(1)).astype(np.uint8))
    elif fault == "damaged parts":
        tree.parts.write_bytes(tree.parts.read_bytes()[:40])
    elif fault == "parts in colour":
        save(tree.parts, picture(1))
    return tree.parts


FAULTS = {
    "truncated picture": "truncated",
    "missing picture": "cannot be read",
    "missing parts": "is missing",
    "parts of another size": "32",
    "part out of range": "holds id 20",
    "damaged parts": "cannot be read",
    "parts in colour": "mode RGB",
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_broken_file_is_named_with_the_way_out(tree: Tree, fault: str) -> None:
    broken = break_file(tree, fault)
    source = source_of(tree)
    with pytest.raises(DataError, match=FAULTS[fault]) as caught:
        source[1]
    message = str(caught.value)
    assert str(broken) in message
    assert "\n" not in message
    assert ";" in message, "what is wrong; the way out"
    assert source[0].name == source.names[0], "the others are still read"
    problems = check_source(tree.spec).problems
    assert [problem.file for problem in problems] == [str(broken)]


def test_the_check_does_not_stop_at_the_first_problem(tree: Tree) -> None:
    break_file(tree, "truncated picture")
    break_file(tree, "part out of range")
    if tree.persons is not None:
        tree.persons.write_bytes(b"no picture")
    expected = {str(path) for path in (tree.image, tree.parts, tree.persons) if path is not None}
    assert {problem.file for problem in check_source(tree.spec).problems} == expected


def test_a_person_map_of_another_size_is_refused(tree_with_persons: tuple[Tree, Path]) -> None:
    tree, persons = tree_with_persons
    save(persons, np.zeros((5, 5), np.uint8))
    with pytest.raises(DataError, match="5×5"):
        source_of(tree)[1]


def test_person_ids_beyond_255_are_refused(tree_with_persons: tuple[Tree, Path]) -> None:
    tree, persons = tree_with_persons
    save(persons, np.full(SIZES[1], 7000, np.uint16))
    with pytest.raises(DataError, match=r"holds (id|value) 7000"):
        source_of(tree)[1]


def test_an_empty_set_is_refused(tree: Tree) -> None:
    for path in tree.image.parent.iterdir():
        path.unlink()
    for listing in tree.image.parent.parent.glob("*_id.txt"):
        listing.write_text("")
    with pytest.raises(DataError, match="holds no picture"):
        open_spec(tree.spec)
    report = check_source(tree.spec)
    assert (report.num_samples, len(report.problems)) == (0, 1)


def test_a_missing_folder_is_refused(tmp_path: Path, tree: Tree) -> None:
    spec = tree.spec.replace("/set", "/elsewhere")
    with pytest.raises(DataError, match="does not exist"):
        open_spec(spec)
