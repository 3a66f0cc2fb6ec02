"""One suite that every reader passes, on tiny trees in the exact layout that is published."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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
    ids: tuple[tuple[int, int], ...] = ()  # where a part of `part_map` has another id
    first: str = "Face"  # what part 13 is called
    too_high: int = 20
    tells_persons: bool = False

    def expected_parts(self, index: int) -> NDArray[np.uint8]:
        return renumbered(part_map(index), self.ids)


def renumbered(parts: NDArray[np.uint8], ids: tuple[tuple[int, int], ...]) -> NDArray[np.uint8]:
    table = np.arange(256, dtype=np.uint8)
    for old, new in ids:
        table[old] = new
    return table[parts]


def atr_tree(root: Path) -> Tree:
    for index in range(3):
        save(root / "JPEGImages" / f"997_{index}.jpg", picture(index))
        save(root / "SegmentationClassAug" / f"997_{index}.png", part_map(index))
    save(root / "JPEGImages" / "997_9.jpg", picture(0))  # of the other split
    (root / "train_id.txt").write_text("997_0\n997_1\n997_2\n")
    return Tree(
        f"atr:{root}@train", root / "JPEGImages/997_1.jpg", root / "SegmentationClassAug/997_1.png", None,
        first="Right-leg",
    )  # fmt: skip


def pascal_tree(root: Path, order: str) -> Tree:
    # Head, Torso, Upper-leg as each tool numbers them.
    written = {"m2fp": ((13, 2), (5, 4), (9, 3)), "schp": ((13, 1), (5, 2), (9, 5))}[order]
    folders = {"m2fp": ("Testing/Images", "Testing/Category_ids"), "schp": ("JPEGImages", "SegmentationPart")}[order]
    images, parts = (root / folder for folder in folders)
    for index in range(3):
        save(images / f"2008_{index}.jpg", picture(index))
        save(parts / f"2008_{index}.png", renumbered(part_map(index), written))
        if order == "m2fp":
            save(root / "Testing/Human_ids" / f"2008_{index}.png", person_map(index))
    if order == "schp":
        (root / "val_id.txt").write_text("2008_0\n2008_1\n2008_2\n")
    persons = root / "Testing/Human_ids/2008_1.png" if order == "m2fp" else None
    return Tree(
        f"pascal:{root}@val?order={order}", images / "2008_1.jpg", parts / "2008_1.png", persons,
        ids=((13, 2), (5, 4), (9, 3)), first="Head",
    )  # fmt: skip


def mhp_tree(root: Path) -> Tree:
    folder = root / "val"
    for index in range(3):
        save(folder / "images" / f"10{index}.jpg", picture(index))
        first = np.where(person_map(index) == 2, 0, part_map(index))
        # The second map claims the first person's head too: overlaps go to the lower number.
        second = np.where((person_map(index) == 2) | (part_map(index) == 13), part_map(index), 0)
        second[(person_map(index) == 1) & (part_map(index) == 13)] = 12
        for person, parts in enumerate((first, second), start=1):
            channels = np.stack([parts, parts * 0 + 7, parts * 0], axis=2).astype(np.uint8)
            save(folder / "parsing_annos" / f"10{index}_02_{person:02d}.png", channels)
    return Tree(
        f"mhp:{root}@val", folder / "images/101.jpg", folder / "parsing_annos/101_02_01.png", None,
        first="Polo-shirt", too_high=59, tells_persons=True,
    )  # fmt: skip


def hf_tree(root: Path) -> Tree:
    folder, rows = root / "train", []
    for index, name in enumerate(("a", "b", "c")):
        save(folder / "pictures" / f"{name}.jpg", picture(index))
        save(folder / "masks" / f"{name}.png", part_map(index))
        save(folder / "people" / f"{name}.png", person_map(index))
        rows.append({
            "image_file_name": f"pictures/{name}.jpg", "mask_file_name": f"masks/{name}.png",
            "person_ids": f"people/{name}.png",
        })  # fmt: skip
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "labels.json").write_text(json.dumps("cihp"))
    return Tree(f"hf:{root}@train", folder / "pictures/b.jpg", folder / "masks/b.png", folder / "people/b.png")


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
    "atr": atr_tree,
    "pascal-m2fp": lambda root: pascal_tree(root, "m2fp"),
    "pascal-schp": lambda root: pascal_tree(root, "schp"),
    "mhp": mhp_tree,
    "hf": hf_tree,
    "lip-m2fp": lip_tree_of_m2fp,
    "folder": lambda root: folder_tree(root, "folder", "val"),
    "people": lambda root: folder_tree(root, "people"),
}


@pytest.fixture(params=sorted(MAKERS))
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    return MAKERS[request.param](tmp_path / "set")


@pytest.fixture(params=sorted(set(MAKERS) - {"lip", "lip-m2fp", "atr", "pascal-schp", "mhp"}))
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
    assert source.label_set.names[tree.expected_parts(0)[2, 0]] == tree.first
    for index in range(3):
        sample = source[index]
        assert sample.name == source.names[index]
        assert sample.subject == source.subjects[index]
        assert (sample.image.dtype, sample.image.shape) == (np.uint8, (*SIZES[index], 3))
        assert sample.parts.dtype == np.uint8
        np.testing.assert_array_equal(sample.parts, tree.expected_parts(index))


def test_persons_are_told_apart_where_the_format_does(tree: Tree) -> None:
    for index, sample in enumerate(source_of(tree)):
        if tree.persons is None and not tree.tells_persons:
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
    assert stats.pixels[tree.first] == sum(6 * width for _, width in SIZES)
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
        save(tree.parts, renumbered(part_map(0), tree.ids))
    elif fault == "part out of range":
        save(tree.parts, np.where(part_map(1) == 13, tree.too_high, renumbered(part_map(1), tree.ids)).astype(np.uint8))
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
    "part out of range": "holds id (20|59)",
    "damaged parts": "cannot be read",
    "parts in colour": "mode RGB|holds id",
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


def test_annotations_without_a_picture_are_problems(tree: Tree) -> None:
    if tree.spec.startswith("hf:"):
        return  # what metadata.jsonl does not name is no part of the set
    strays = []
    for path in (tree.parts, tree.persons):
        if path is not None:
            strays.append(path.with_name("999_01_01.png"))
            strays[-1].write_bytes(path.read_bytes())
    problems = check_source(tree.spec).problems
    assert [problem.file for problem in problems] == [str(path) for path in strays]
    assert all("belongs to no picture" in problem.what and ";" in problem.what for problem in problems)
    assert len(source_of(tree)) == 3


def test_suffixes_in_capitals_are_read_alike(tree: Tree) -> None:
    if tree.spec.startswith("hf:"):
        return  # metadata.jsonl says how its files are written
    for path in (tree.image, tree.parts, tree.persons):
        if path is not None:
            path.rename(path.with_suffix(path.suffix.upper()))
    assert check_source(tree.spec).problems == ()
    np.testing.assert_array_equal(source_of(tree)[1].parts, tree.expected_parts(1))


@pytest.mark.parametrize("make", [atr_tree, partial(pascal_tree, order="schp")])
def test_a_list_may_name_pictures_beside_their_maps(make: Callable[[Path], Tree], tmp_path: Path) -> None:
    tree = make(tmp_path)
    (listing,) = tmp_path.glob("*_id.txt")
    folders = tree.image.parent.name, tree.parts.parent.name
    listing.write_text(
        "".join(f"/{folders[0]}/{name}.jpg /{folders[1]}/{name}.png\n" for name in listing.read_text().split())
    )
    assert check_source(tree.spec).problems == ()
    assert len(source_of(tree)) == 3
    np.testing.assert_array_equal(source_of(tree)[1].parts, tree.expected_parts(1))


def test_a_person_map_of_nobody_is_a_problem(tree_with_persons: tuple[Tree, Path]) -> None:
    tree, persons = tree_with_persons
    save(persons, np.zeros(SIZES[1], np.uint8))
    (problem,) = check_source(tree.spec).problems
    assert problem.file == str(persons)
    assert f"has nobody on {12 * SIZES[1][1]} pixels of parts, and persons on 0 of background;" in problem.what


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
    for pattern in ("*_id.txt", "metadata.jsonl"):
        for listing in tree.image.parent.parent.glob(pattern):
            listing.write_text("")
    with pytest.raises(DataError, match="holds no picture"):
        open_spec(tree.spec)
    report = check_source(tree.spec)
    assert (report.num_samples, len(report.problems)) == (0, 1)


def test_a_missing_folder_is_refused(tmp_path: Path, tree: Tree) -> None:
    spec = tree.spec.replace("/set", "/elsewhere")
    with pytest.raises(DataError, match="does not exist"):
        open_spec(spec)


def test_a_set_is_shown_in_other_labels(tmp_path: Path) -> None:
    tree = cihp_tree(tmp_path, "Human_ids")
    source = open_spec(f"{tree.spec}?labels=pascal")
    expected = renumbered(part_map(1), ((13, 2), (5, 4), (9, 255)))  # trousers cover upper and lower legs
    np.testing.assert_array_equal(source[1].parts, expected)
    assert source.label_set.name == "pascal"
    assert source.translation is not None
    assert "Pants is ignored: pascal splits it otherwise" in source.translation.losses()


def test_subjects_come_from_names_of_any_format(tree: Tree) -> None:
    source = open_spec(tree.spec, subject_pattern="(.)")
    assert list(source.subjects) == [name[0] for name in source.names]
    assert source[1].subject == source.names[1][0]
    with pytest.raises(DataError, match=f"finds no subject in the name {source.names[0]};"):
        open_spec(tree.spec, subject_pattern="(nobody)_")
