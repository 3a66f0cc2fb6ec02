"""The arithmetic by which photographs are judged."""

import numpy as np
import photo_rules as rules
import pytest

from discreet.labels import CIHP

NAMES = CIHP.names


def parts_of(name: str) -> np.ndarray:
    """A map of background, with one part in columns 10 to 19."""
    parts = np.zeros((40, 40), np.uint8)
    parts[:, 10:20] = NAMES.index(name)
    return parts


@pytest.mark.parametrize(
    ("keypoint", "part", "outcome"),
    [
        ("nose", "Face", "right"),
        ("nose", "UpperClothes", "other"),
        ("left wrist", "Left-arm", "right"),
        ("left wrist", "Right-arm", "side"),
        ("right ankle", "Right-shoe", "right"),
        ("right ankle", "Left-shoe", "side"),
        ("left ankle", "Left-arm", "other"),
        ("right knee", "Skirt", "right"),
        ("left ear", "Background", "background"),
    ],
)
def test_a_keypoint_is_right_only_in_a_part_that_may_lie_there(keypoint: str, part: str, outcome: str) -> None:
    assert rules.judge_keypoint(parts_of(part), NAMES, keypoint, 15, 20, 2) == outcome


def test_the_disc_reaches_as_far_as_its_radius_and_no_further() -> None:
    parts = parts_of("Face")
    assert rules.judge_keypoint(parts, NAMES, "nose", 22.0, 20, 3) == "right"
    assert rules.judge_keypoint(parts, NAMES, "nose", 22.0, 20, 2) == "background"


def test_the_disc_is_cut_at_the_edge_of_the_picture() -> None:
    parts = np.full((8, 8), NAMES.index("Face"), np.uint8)
    assert rules.judge_keypoint(parts, NAMES, "nose", 0.0, 7.9, 5) == "right"


def test_the_right_side_beside_the_wrong_one_is_no_side_error() -> None:
    parts = parts_of("Left-arm")
    parts[:, 15:20] = NAMES.index("Right-arm")
    assert rules.judge_keypoint(parts, NAMES, "left wrist", 15, 20, 2) == "right"


def test_keypoints_of_the_middle_have_no_wrong_side() -> None:
    right, mirrored = rules.accepted_parts("nose")
    assert "Face" in right
    assert not mirrored
    assert rules.accepted_parts("left knee")[1] == {"Right-leg"}


def test_every_accepted_part_is_a_part_of_some_label_set() -> None:
    known = {*NAMES, "Jumpsuits"}
    for joint in ("ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        for side in ("left", "right"):
            right, mirrored = rules.accepted_parts(f"{side} {joint}")
            assert right | mirrored <= known


def test_foreground_figures_by_hand() -> None:
    parts = parts_of("Coat")  # columns 10 to 19
    mask = np.zeros((40, 40), bool)
    mask[:, 15:35] = True  # 20 columns, 5 of them shared
    assert rules.foreground_iou(parts, mask) == pytest.approx(5 / 25)
    assert rules.foreground_errors(parts, mask) == {"missed": pytest.approx(0.75), "invented": pytest.approx(0.25)}


def test_nobody_in_a_picture_of_nobody_is_right() -> None:
    assert rules.foreground_iou(np.zeros((4, 4), np.uint8), np.zeros((4, 4), bool)) == 1.0


def test_tally_counts_sides_together_and_shares_add_up() -> None:
    found = rules.tally([("left knee", "right"), ("right knee", "side"), ("nose", "right"), ("nose", "other")])
    assert found["knee"] == {"num": 2, "right": 0.5, "side": 0.5, "background": 0.0, "other": 0.0}
    assert found["all"] == {"num": 4, "right": 0.5, "side": 0.25, "background": 0.0, "other": 0.25}


def test_a_turned_ellipse_covers_along_its_roll() -> None:
    image = np.zeros((50, 50, 3), np.uint8)
    masked = rules.mask_faces(image, [(25, 25, 4, 16, np.pi / 2)])
    assert masked[25, 38, 0] == 128
    assert masked[38, 25, 0] == 0
    assert not image.any()


def test_boxes_of_overlooked_persons_are_left_out_by_shares_of_the_picture() -> None:
    outside = rules.elsewhere((4, 10), [(0.8, 0.5, 1.0, 1.0), (0.0, 0.0, 0.1, 0.25)])
    assert not outside[2:, 8:].any()
    assert not outside[0, 0]
    assert outside.sum() == 40 - 4 - 1
    assert rules.elsewhere((4, 10), ()).all()
