"""What is particular to CIHP and to LIP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from discreet.data import check_source, open_spec
from discreet.data.cihp import read_instances
from discreet.errors import DataError


@pytest.fixture
def instances(tmp_path: Path) -> Path:
    """Face and coat of person 1, face of person 14 (value 273)."""
    path = tmp_path / "0000001.png"
    Image.fromarray(np.array([[0, 13, 7], [273, 0, 0]], np.uint16)).save(path)
    path.with_suffix(".txt").write_text("13 13 1\n7 7 1\n273 13 14\n")
    return path


def test_instance_files_give_person_ids(instances: Path) -> None:
    assert read_instances(instances).tolist() == [[0, 1, 1], [14, 0, 0]]


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        ("13 13 1\n7 7 1\n", "holds value 273, which 0000001.txt does not explain"),
        ("13 13\n", "three numbers"),
        ("13 13 1\n7 7 1\n273 13 300\n", "outside 1 to 254"),
    ],
)
def test_instance_lists_that_do_not_fit_are_refused(instances: Path, listing: str, message: str) -> None:
    instances.with_suffix(".txt").write_text(listing)
    with pytest.raises(DataError, match=message):
        read_instances(instances)


def test_a_missing_instance_list_is_named(instances: Path) -> None:
    instances.with_suffix(".txt").unlink()
    with pytest.raises(DataError, match=r"0000001\.txt is missing"):
        read_instances(instances)


def test_human_ids_are_preferred_and_persons_are_optional(tmp_path: Path) -> None:
    folder = tmp_path / "Validation"
    for kind in ("Images", "Category_ids", "Instance_ids"):
        (folder / kind).mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(folder / "Images" / "0000002.jpg")
    Image.new("L", (4, 4), 1).save(folder / "Category_ids" / "0000002.png")
    (folder / "Human_ids").mkdir()
    Image.new("L", (4, 4), 3).save(folder / "Human_ids" / "0000002.png")
    persons = open_spec(f"cihp:{tmp_path}@val")[0].persons
    assert persons is not None
    assert set(np.unique(persons)) == {3}
    (folder / "Human_ids" / "0000002.png").unlink()
    (folder / "Human_ids").rmdir()
    (folder / "Instance_ids").rmdir()
    assert open_spec(f"cihp:{folder}")[0].persons is None


def lip(folder: Path, *names: str) -> str:
    """A set in the layout of SCHP, its pictures in files of these names."""
    for kind in ("train_images", "train_segmentations"):
        (folder / kind).mkdir()
    for name in names:
        Image.new("RGB", (4, 4)).save(folder / "train_images" / name)
        Image.new("L", (4, 4), 1).save(folder / "train_segmentations" / f"{Path(name).stem}.png")
    return f"lip:{folder}@train"


def test_a_list_may_name_files_of_any_kind_after_a_byte_order_mark(tmp_path: Path) -> None:
    spec = lip(tmp_path, "1_1.jpg", "1_2.JPG", "2_1.png", "2_2.jpeg", "3_1.jpg")
    (tmp_path / "train_id.txt").write_bytes("\ufeff1_1\r\n1_2.JPG\r\n2_1.jpg\r\n2_2\r\n".encode())
    source = open_spec(spec)
    assert (source.names, source.subjects) == (("1_1", "1_2", "2_1", "2_2"), ("1", "1", "2", "2"))
    assert [source[index].name for index in range(4)] == list(source.names)
    (problem,) = check_source(spec).problems
    assert "is not listed" in problem.what
    assert problem.file.endswith("3_1.jpg")


def test_an_empty_folder_of_the_other_layout_hides_nothing(tmp_path: Path) -> None:
    spec = lip(tmp_path, "1_1.jpg")
    (tmp_path / "train_id.txt").write_text("1_1\n")
    (tmp_path / "Training").mkdir()
    assert open_spec(spec).names == ("1_1",)


def test_maps_of_another_split_are_no_strays(tmp_path: Path) -> None:
    for name in ("1_0", "1_1"):
        for kind, mode in (("JPEGImages", "RGB"), ("SegmentationClassAug", "L")):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.new(mode, (4, 4), 1 if mode == "L" else (9, 9, 9)).save(
                tmp_path / kind / f"{name}.{'png' if mode == 'L' else 'jpg'}"
            )
    (tmp_path / "val_id.txt").write_text("1_1.jpg\n")
    report = check_source(f"atr:{tmp_path}@val")
    assert (report.num_samples, report.problems) == (1, ())


def test_crops_of_one_photograph_share_a_subject(tmp_path: Path) -> None:
    names = ["9_2", "9_10", "10_3"]
    for kind in ("train_images", "train_segmentations"):
        (tmp_path / kind).mkdir()
    for name in names:
        Image.new("RGB", (4, 4)).save(tmp_path / "train_images" / f"{name}.jpg")
        Image.new("L", (4, 4), 1).save(tmp_path / "train_segmentations" / f"{name}.png")
    (tmp_path / "train_id.txt").write_text("9_2.jpg\n9_10\n9_2\n")
    source = open_spec(f"lip:{tmp_path}@train")
    assert (source.names, source.subjects) == (("9_2", "9_10"), ("9", "9"))
    report = check_source(f"lip:{tmp_path}@train")
    assert report.num_subjects == 1
    whats = {Path(problem.file).name: problem.what for problem in report.problems}
    assert "lists 9_2 more than once" in whats["train_id.txt"]
    assert "not listed" in whats["10_3.jpg"]
    (tmp_path / "train_id.txt").unlink()
    with pytest.raises(DataError, match=r"train_id\.txt is missing"):
        open_spec(f"lip:{tmp_path}@train")
