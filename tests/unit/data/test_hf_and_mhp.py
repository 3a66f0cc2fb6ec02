"""What only these two formats have: lines of metadata, and one map a person."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from discreet.data import check_source, open_spec, require_subjects
from discreet.errors import DataError
from discreet.labels import CIHP, IGNORED


def hf(folder: Path, *rows: object) -> str:
    """An image folder with pictures a and b and the given lines."""
    for name in ("a", "b"):
        Image.new("RGB", (6, 4)).save(folder / f"{name}.jpg")
        Image.new("L", (6, 4), 5).save(folder / f"{name}.png")
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "labels.json").write_text('"cihp"')
    return f"hf:{folder}"


def row(name: str, **more: object) -> dict[str, object]:
    return {"image_file_name": f"{name}.jpg", "mask_file_name": f"{name}.png", **more}


def test_a_subject_is_who_is_alone_on_the_picture_or_who_is_named(tmp_path: Path) -> None:
    def subject(**more: object) -> str | None:
        return open_spec(hf(tmp_path, row("a", **more))).subjects[0]

    assert subject() is None
    assert subject(subject=7) == "7"
    assert subject(person_ids=["mia"]) == "mia"
    assert subject(person_ids=["mia", "mia"]) == "mia"
    assert subject(person_ids=["mia", "noor"]) is None, "counting it for one would break the other's guarantee"
    assert subject(person_ids=["mia", "noor"], subject="mia") == "mia"
    assert subject(person_ids=[]) is None


def test_pictures_of_several_are_dropped_or_given_to_the_first(tmp_path: Path) -> None:
    spec = hf(tmp_path, row("a", person_ids=["mia", "noor"]), row("b", person_ids=["noor"]))
    with pytest.raises(DataError, match=r"picture a has no subject; .* data\.shared_pictures"):
        require_subjects(open_spec(spec))
    dropped, assigned = (open_spec(spec, shared_pictures=what) for what in ("drop", "assign"))
    assert (dropped.names, dropped.subjects) == (("b",), ("noor",))
    assert (assigned.names, assigned.subjects) == (("a", "b"), ("mia", "noor"))


def test_a_line_ends_where_json_says_and_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    spec = hf(tmp_path, json.dumps(row("a", subject="mia\u2028\x85noor"), ensure_ascii=False), row("b"))
    metadata = tmp_path / "metadata.jsonl"
    metadata.write_text(metadata.read_text(encoding="utf-8"), encoding="utf-8-sig", newline="\r\n")
    assert open_spec(spec).subjects == ("mia\u2028\x85noor", None)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("[1]", "no JSON object"),
        ("{", "cannot be read"),
        (row("a", person_ids=3), "person_ids must name"),
        ({"mask_file_name": "a.png"}, "lacks image_file_name"),
        ({"image_file_name": "a.jpg", "mask_file_name": ""}, "lacks mask_file_name"),
        ({"image_file_name": "../a.jpg", "mask_file_name": "a.png"}, "leaves the folder"),
        ({"image_file_name": "/a.jpg", "mask_file_name": "a.png"}, "leaves the folder"),
    ],
)
def test_a_line_that_makes_no_sense_is_named(tmp_path: Path, line: object, what: str) -> None:
    spec = hf(tmp_path, row("b"), line)
    with pytest.raises(DataError, match=what):
        open_spec(spec)


def test_a_picture_that_is_named_twice_counts_once_and_is_a_problem(tmp_path: Path) -> None:
    report = check_source(hf(tmp_path, row("a"), row("b"), row("a")))
    assert report.num_samples == 2
    assert [problem.what for problem in report.problems] == ["line 3 repeats picture a; keep one line"]


def mhp(folder: Path, **maps: np.ndarray) -> str:
    """One picture, 1.jpg, and its maps by file name."""
    (folder / "val" / "images").mkdir(parents=True)
    (folder / "val" / "parsing_annos").mkdir()
    Image.new("RGB", (6, 4)).save(folder / "val" / "images" / "1.jpg")
    for name, ids in maps.items():
        Image.fromarray(np.stack([ids] * 3, axis=2)).save(folder / "val" / "parsing_annos" / f"{name[1:]}.png")
    return f"mhp:{folder}@val"


def one_map(*runs: tuple[int, int]) -> np.ndarray:
    """[4, 6] with the given (column, id)."""
    ids = np.zeros((4, 6), np.uint8)
    for column, part in runs:
        ids[:, column] = part
    return ids


def test_the_person_with_the_lower_number_has_what_two_claim(tmp_path: Path) -> None:
    spec = mhp(tmp_path, _1_02_01=one_map((0, 3), (1, 3)), _1_02_02=one_map((1, 4), (2, 4)))
    sample = open_spec(spec)[0]
    assert sample.parts[0].tolist() == [3, 3, 4, 0, 0, 0]
    assert sample.persons is not None
    assert sample.persons[0].tolist() == [1, 1, 2, 0, 0, 0]


def test_in_other_labels_persons_have_the_pixels_that_they_have_in_the_files(tmp_path: Path) -> None:
    """Person 1 holds a backpack (40) before the face (3) of person 2, whose hair (4) is elsewhere."""
    spec = mhp(tmp_path, _1_02_01=one_map((0, 40), (1, 3)), _1_02_02=one_map((0, 3), (2, 4)))
    sample = open_spec(f"{spec}?labels=cihp")[0]
    assert [CIHP.names[part] for part in sample.parts[0]] == ["Background", "Face", "Hair", *["Background"] * 3]
    assert sample.persons is not None
    assert sample.persons[0].tolist() == [0, 1, 2, 0, 0, 0]


def test_who_is_only_what_other_labels_call_background_is_nobody_there(tmp_path: Path) -> None:
    spec = mhp(tmp_path, _1_01_01=one_map((0, 40), (1, 40)))
    sample = open_spec(f"{spec}?labels=cihp")[0]
    assert not sample.parts.any()
    assert sample.persons is not None
    assert not sample.persons.any()


def test_a_check_reads_every_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = mhp(tmp_path, _1_03_01=one_map((0, 3)), _1_03_02=one_map((1, 3)), _1_03_03=one_map((2, 59)))
    opened: list[str] = []
    keep = Image.open
    monkeypatch.setattr(Image, "open", lambda path, **how: opened.append(path.name) or keep(path, **how))
    problems = check_source(spec).problems
    assert [Path(problem.file).name for problem in problems] == ["1_03_03.png"]
    assert len(opened) == len(set(opened))
    opened.clear()
    (tmp_path / "val" / "parsing_annos" / "1_03_03.png").write_bytes(
        (tmp_path / "val" / "parsing_annos" / "1_03_01.png").read_bytes()
    )
    open_spec(spec)[0]
    assert sorted(opened) == ["1.jpg", "1_03_01.png", "1_03_02.png", "1_03_03.png"]


def test_what_one_ignores_no_other_has(tmp_path: Path) -> None:
    spec = mhp(tmp_path, _1_02_01=one_map((0, IGNORED)), _1_02_02=one_map((0, 4), (1, 4)))
    sample = open_spec(spec)[0]
    assert sample.parts[0].tolist() == [IGNORED, 4, 0, 0, 0, 0]
    assert sample.persons is not None
    assert sample.persons[0].tolist() == [0, 2, 0, 0, 0, 0]


def test_a_map_that_the_names_promise_and_nobody_wrote_is_a_problem(tmp_path: Path) -> None:
    report = check_source(mhp(tmp_path, _1_03_01=one_map((0, 3)), _1_03_03=one_map((1, 3))))
    (problem,) = report.problems
    assert problem.file.endswith("1_03_02.png")


def test_maps_that_disagree_on_how_many_there_are(tmp_path: Path) -> None:
    report = check_source(mhp(tmp_path, _1_02_01=one_map((0, 3)), _1_01_01=one_map((0, 3))))
    assert any("disagrees with the others" in problem.what for problem in report.problems)


def test_a_map_without_its_picture(tmp_path: Path) -> None:
    report = check_source(mhp(tmp_path, _1_01_01=one_map((0, 3)), _2_01_01=one_map((0, 3))))
    assert ["belongs to no picture" in problem.what for problem in report.problems] == [True]
