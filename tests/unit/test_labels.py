"""Label sets: ids, colours, sides, and what a map between sets loses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from discreet.errors import ConfigurationError, DataError
from discreet.labels import (
    ATR,
    CIHP,
    IGNORED,
    LIP,
    MAX_LABELS,
    MHP,
    PASCAL,
    PASCAL_OF_SCHP,
    LabelSet,
    from_names,
    label_set,
    map_between,
    read_labels,
)


@pytest.mark.parametrize("labels", [CIHP, LIP])
def test_published_sets_have_their_published_ids(labels) -> None:
    assert len(labels) == len(labels.names) == len(labels.names_zh) == 20
    places = {0: "Background", 1: "Hat", 5: "UpperClothes", 9: "Pants", 13: "Face", 14: "Left-arm", 19: "Right-shoe"}
    assert {part: labels.names[part] for part in places} == places
    assert labels.flip_pairs == ((14, 15), (16, 17), (18, 19))
    assert len(set(labels.palette)) == 20
    assert label_set(labels.name) is labels


def test_cihp_and_lip_differ_in_one_part() -> None:
    assert [(a, b) for a, b in zip(CIHP.names, LIP.names, strict=True) if a != b] == [("Torso-skin", "Jumpsuits")]


def test_mirrored_parts_swap_sides_and_nothing_else() -> None:
    table = CIHP.flip_table()
    assert table[[14, 15, 16, 17, 18, 19]].tolist() == [15, 14, 17, 16, 19, 18]
    same = np.setdiff1d(np.arange(256), [14, 15, 16, 17, 18, 19])
    np.testing.assert_array_equal(table[same], same)
    np.testing.assert_array_equal(table[table], np.arange(256))


def test_colours_cover_every_id() -> None:
    colours = CIHP.colours()
    assert (colours.shape, colours.dtype) == ((256, 3), np.uint8)
    assert colours[5].tolist() == [255, 85, 0]
    assert colours[IGNORED].tolist() == colours[20].tolist() == [128, 128, 128]


@pytest.mark.parametrize(
    "wrong",
    [
        {"names": ("background",)},
        {"names_zh": CIHP.names_zh[:-1]},
        {"palette": CIHP.palette[:-1]},
        {"names": (*CIHP.names[:-1], "Hat")},
        {"flip_pairs": ((14, 15), (15, 16))},
        {"flip_pairs": ((14, 14),)},
        {"flip_pairs": ((0, 1),)},
        {"flip_pairs": ((14, 20),)},
    ],
)
def test_sets_that_make_no_sense_are_refused(wrong: dict[str, tuple]) -> None:
    with pytest.raises(ConfigurationError, match="cihp"):
        replace(CIHP, **wrong)


def test_maps_go_by_name_and_say_what_they_lose() -> None:
    there = map_between(LIP, CIHP)
    assert there.lost == ("Jumpsuits",)
    assert there.apply(np.array([[0, 10, 13, 255]], np.uint8)).tolist() == [[0, 5, 13, 255]]
    back = map_between(CIHP, LIP)
    assert back.lost == ("Torso-skin",)
    assert back.ids[10] == 0
    same = map_between(CIHP, CIHP)
    assert same.lost == ()
    np.testing.assert_array_equal(same.ids[:20], np.arange(20))


def test_maps_say_which_parts_of_the_target_never_occur() -> None:
    def never(source: LabelSet, target: LabelSet) -> set[str]:
        lines = map_between(source, target).losses()
        return {line.removesuffix(" never occurs") for line in lines if line.endswith(" never occurs")}

    assert never(LIP, CIHP) == {"Torso-skin"}
    assert never(ATR, CIHP) == {"Glove", "Coat", "Socks", "Torso-skin"}
    assert never(CIHP, LIP) == {"Jumpsuits"}
    assert map_between(CIHP, CIHP).losses() == ()


def test_a_set_of_ones_own_has_distinct_colours() -> None:
    own = from_names("own", [f"part {k}" for k in range(MAX_LABELS)])
    assert len(own) == MAX_LABELS
    assert own.palette[0] == (0, 0, 0)
    assert len(set(own.palette)) > 240
    with pytest.raises(ConfigurationError, match="2 to 254"):
        from_names("own", [f"part {k}" for k in range(MAX_LABELS + 1)])


def test_unknown_names_are_told_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="cihp, lip"):
        label_set("coco")


def test_labels_json_in_its_three_forms(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text('"lip"')
    assert read_labels(path) is LIP
    path.write_text(json.dumps(["sky", "left", "right"]))
    assert read_labels(path).names == ("sky", "left", "right")
    path.write_text(json.dumps({"names": ["sky", "left", "right"], "flip_pairs": [[1, 2]]}))
    assert read_labels(path).flip_pairs == ((1, 2),)


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "3", "[]", '"coco"', '{"names": "sky"}', '["a", 2]', '["a", " "]', '["a", "a"]',
        json.dumps([f"part {k}" for k in range(300)]),
        '{"names": ["a", "b"], "pairs": []}',
        *(f'{{"names": ["a", "b", "c"], "flip_pairs": {pairs}}}' for pairs in (
            "3", "[1]", '[["b", "c"]]', "[[null, 2]]", "[[1e999, 2]]", "[[true, 2]]", "[[1, 7]]")),
    ],
)  # fmt: skip
def test_labels_json_of_another_form_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"labels\.json"):
        read_labels(path)


def test_a_missing_labels_json_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="write the name of a label set"):
        read_labels(tmp_path / "labels.json")


def test_what_the_published_maps_lose() -> None:
    mhp = map_between(MHP, CIHP)
    assert [CIHP.names[mhp.ids[part]] for part in (1, 7, 11, 18, 23, 33)] == [
        "Hat", "Left-arm", "Coat", "Pants", "Right-shoe", "Right-leg",
    ]  # fmt: skip
    assert {"Backpack", "Umbrella"} <= set(mhp.dropped)
    assert set(mhp.undecided) == {"Protector", "Belt", "Watch", "Wristband", "Other-accessories"}
    atr = map_between(ATR, LIP)
    assert (atr.merged, atr.dropped, atr.undecided) == ((), ("Bag",), ("Belt",))
    for source in (CIHP, LIP, ATR):
        pascal = map_between(source, PASCAL)
        limbs = {"Pants", "Left-arm", "Right-arm", "Left-leg", "Right-leg", "Skirt", "Dress"}
        assert limbs <= set(pascal.undecided), "upper and lower limbs are one part in the source"
        assert all(pascal.ids[source.names.index(part)] == IGNORED for part in limbs)
        assert PASCAL.names[pascal.ids[source.names.index("Left-shoe")]] == "Lower-leg"
    reordered = map_between(PASCAL_OF_SCHP, PASCAL)
    assert (reordered.ids[:7].tolist(), reordered.lost) == ([0, 2, 4, 6, 1, 3, 5], ())


@pytest.mark.parametrize("labels", [MHP, ATR])
def test_sides_are_paired(labels: LabelSet) -> None:
    pairs = [(labels.names.index(f"Left-{n[6:]}"), k) for k, n in enumerate(labels.names) if n.startswith("Right-")]
    assert tuple(pairs) == labels.flip_pairs
