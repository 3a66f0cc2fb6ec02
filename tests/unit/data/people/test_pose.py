"""Poses: rotations, soles on the ground, hands outside the body, hips on the seat."""

import numpy as np
import pytest

from discreet.data.people.body import Figure, part_labels, pose_body, template
from discreet.data.people.furniture import make_seat, make_step
from discreet.data.people.pose import arm_points, draw_pose, off_the_torso, torso_depth
from discreet.data.people.postures import ARMS, POSTURES

SUPPORTS = ("feet", "seat", "floor", "lying")


def _figure(seed: int, *supports: str) -> tuple[str, Figure]:
    rng = np.random.default_rng(seed)
    pose = draw_pose(rng, supports=supports)
    return pose.posture, pose_body(template().shapes[seed % 600], pose.rotations)


def test_poses_are_rotations_of_bones_that_exist() -> None:
    for seed in range(60):
        pose = draw_pose(np.random.default_rng(seed))
        assert set(pose.rotations) <= set(template().bones)
        for rotation in pose.rotations.values():
            np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-5)
            assert np.linalg.det(rotation) > 0


def test_all_postures_and_arms_are_drawn_and_only_those_asked_for() -> None:
    poses = [draw_pose(np.random.default_rng(seed)) for seed in range(700)]
    assert {pose.posture for pose in poses} == set(POSTURES)
    assert {arm for pose in poses for arm in pose.arms} == set(ARMS)
    for support in SUPPORTS:
        assert {draw_pose(np.random.default_rng(seed), supports=(support,)).support for seed in range(20)} == {support}


@pytest.mark.parametrize("arm", sorted(ARMS))
def test_arms_keep_off_the_torso(arm: str) -> None:
    for seed in range(12):
        upper, fore = (np.array(part) + np.random.default_rng(seed).normal(0, 0.15, 3) for part in ARMS[arm])
        assert torso_depth(arm_points(*off_the_torso(upper, fore))).max() < 0.02


def test_an_arm_through_the_torso_is_noticed() -> None:
    through = np.array([0.1, 0.0, -1.0]), np.array([-0.9, 0.1, -0.3])
    assert torso_depth(arm_points(*through)).max() > 0.3


def test_elbows_and_wrists_bend_no_further_than_joints_do() -> None:
    """Elbows 150 degrees, wrists 60 (American Academy of Orthopaedic Surgeons, 1965)."""
    body = template()
    for seed in range(200):
        rotations = draw_pose(np.random.default_rng(seed)).rotations
        for side in "LR":
            shoulder, elbow, wrist = (
                body.heads[body.bones[f"{name}.{side}"]] for name in ("upperarm01", "lowerarm01", "wrist")
            )
            upper, fore = elbow - shoulder, rotations[f"lowerarm01.{side}"] @ (wrist - elbow)
            bent = np.arccos(upper @ fore / np.linalg.norm(upper) / np.linalg.norm(fore))
            hand = np.arccos((np.trace(rotations[f"wrist.{side}"]) - 1) / 2)
            assert max(bent / np.radians(150), hand / np.radians(60)) < 1, (seed, side)


def test_both_soles_of_those_who_stand_are_near_the_ground() -> None:
    body, labels = template(), part_labels()
    soles = [np.flatnonzero((labels == side) & (body.points[:, 2] < -0.76)) for side in (16, 17)]
    for seed in range(60):
        posture, figure = _figure(seed, "feet")
        if POSTURES[posture].planted:
            lowest = [figure.vertices[sole, 2].min() for sole in soles]
            assert max(lowest) < 0.07, (seed, posture, lowest)


def test_who_sits_sits_on_the_seat_and_not_in_it() -> None:
    body = template()
    thighs = np.flatnonzero((np.abs(body.points[:, 2] - 0.03) < 0.12) & (body.arm < 0.5))
    thighs = np.intersect1d(thighs, body.meshes["skin"])
    for seed in range(12):
        _, figure = _figure(seed, "seat")
        seat = make_seat(figure.vertices, np.random.default_rng(seed))
        height = max(piece.vertices[:, 2].max() for piece in seat[:1])
        below = (figure.vertices[thighs, 2] < height - 0.03).mean()
        assert below < 0.1, (seed, below)
        assert figure.vertices[thighs, 2].min() < height + 0.03
        behind = [float(piece.vertices[:, 1].max()) for piece in seat if piece.vertices[:, 2].max() > height + 0.1]
        assert seat[0].vertices[:, 1].max() < max(behind, default=np.inf) + 0.01, "a seat behind its back"


def test_who_climbs_has_a_step_under_the_higher_foot() -> None:
    body = template()
    feet = [np.flatnonzero((part_labels() == side) & (body.along_leg > 1.9)) for side in (16, 17)]
    for seed in [seed for seed in range(400) if _figure_is("climbing", seed)][:4]:
        _, figure = _figure(seed, "feet")
        (step,) = make_step(figure.vertices, np.random.default_rng(seed))
        low, high = step.vertices.min(0), step.vertices.max(0)
        lower, higher = sorted((figure.vertices[foot] for foot in feet), key=lambda points: points[:, 2].min())
        assert higher[:, 2].min() == pytest.approx(high[2], abs=0.02)
        over = (higher[:, :2] > low[:2]) & (higher[:, :2] < high[:2])
        assert over.all(1).mean() > 0.7
        assert not ((lower > low) & (lower < high)).all(1).any()


@pytest.mark.parametrize(
    "posture", [name for name, posture in POSTURES.items() if posture.support in ("floor", "lying")]
)
def test_who_is_on_the_floor_is_low(posture: str) -> None:
    """Seats and backs lie on it: nobody floats on hands or feet."""
    body = template()
    hips = np.intersect1d(np.flatnonzero(np.abs(body.points[:, 2] + 0.03) < 0.15), body.meshes["skin"])
    hips = hips[body.arm[hips] < 0.5]
    most = {
        "on one knee": 0.25,
        "kneeling": 0.25,
        "on the side": 0.2,
        "legs stretched": 0.05,
        "knees drawn up": 0.05,
    }.get(posture, 0.09)
    seeds = [seed for seed in range(150) if _figure_is(posture, seed)][:6]
    heights = [_figure(seed, POSTURES[posture].support)[1].vertices[hips, 2].min() for seed in seeds]
    assert max(heights) < most + 0.04, (posture, heights)
    assert np.median(heights) < most, (posture, heights)


@pytest.mark.parametrize("posture", ["kneeling", "on one knee", "knees drawn up", "legs stretched", "on the front"])
def test_shins_and_soles_that_rest_lie_on_the_ground(posture: str) -> None:
    body = template()
    feet = [np.flatnonzero((part_labels() == side) & (body.along_leg > 1.9)) for side in (16, 17)]
    seeds = [seed for seed in range(150) if _figure_is(posture, seed)][:6]
    figures = [_figure(seed, POSTURES[posture].support)[1] for seed in seeds]
    heights = [figure.vertices[foot, 2].min() for figure in figures for foot in feet]
    assert max(heights) < 0.15, (posture, heights)
    assert np.median(heights) < 0.08, (posture, heights)


def _figure_is(posture: str, seed: int) -> bool:
    return draw_pose(np.random.default_rng(seed), supports=(POSTURES[posture].support,)).posture == posture
