"""The two casters: the same labels whichever renders, and which one does."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from discreet.cli.main import main
from discreet.data.people import STYLES, casting, embree_mesh, generate_people, render_picture
from discreet.data.people.camera import Camera
from discreet.data.people.casting import choose_caster, make_caster
from discreet.errors import ConfigurationError, DependencyError

Floats = NDArray[np.floating]
SIZE = 96
GROUND = np.array([[[-60, -60, 0], [60, -60, 0], [60, 60, 0]], [[-60, -60, 0], [60, 60, 0], [-60, 60, 0]]], np.float32)

needs_embree = pytest.mark.skipif(importlib.util.find_spec("embreex") is None, reason="embreex has no wheel here")


def _mesh(corners: Floats) -> tuple[Floats, NDArray[np.int32]]:
    """A mesh of triangles [F, 3, 3] that share no vertex."""
    return corners.reshape(-1, 3).astype(np.float32), np.arange(3 * len(corners), dtype=np.int32).reshape(-1, 3)


def _rays(position: Floats, aim: Floats, spread: float) -> Floats:
    """The rays of a picture."""
    forward = (aim - position) / np.linalg.norm(aim - position)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    camera = Camera(position, forward, right, np.cross(right, forward), spread)
    row, column = np.mgrid[:SIZE, :SIZE].reshape(2, -1) + 0.5
    return camera.rays(column, row, SIZE)


@needs_embree
@pytest.mark.parametrize("style", STYLES)
def test_labels_are_embrees(style: str) -> None:
    for index in range(3):
        exact, ours = (render_picture(style, 7, index, SIZE, caster=name) for name in casting.CASTERS)
        same = (exact.parts == ours.parts) & (exact.persons == ours.persons)
        assert same.mean() >= 0.995
        assert exact.subjects == ours.subjects


@needs_embree
@pytest.mark.parametrize("seed", range(4))
def test_first_hits_are_embrees_with_triangles_around_and_through_the_camera(seed: int) -> None:
    rng = np.random.default_rng(seed)
    middles = rng.normal(0, 1.5, (4000, 1, 3))
    corners = np.concatenate([middles + rng.normal(0, 1, (4000, 3, 3)) * rng.uniform(0.01, 0.3, (4000, 1, 1)), GROUND])
    position = np.array([0.0, 0.0, 0.4])
    ahead = np.array([[0.05, 0.1, 0.4], [-0.02, -2.0, 0.5], [0.3, 0.9, 0.2]])
    corners = np.concatenate([corners, ahead[None]])
    directions = _rays(position, np.array([0.3, 2.0, 0.3]), spread=0.8)
    vertices, faces = _mesh(corners)
    found, exact = (make_caster(name, vertices, faces).first_hits(position, directions) for name in ("numpy", "embree"))
    same = found[0] == exact[0]
    assert same.mean() >= 0.999
    behind = ((corners - position) @ directions.mean(0) < 0).any(1)
    assert len(np.unique(exact[0])) > 30
    assert behind[exact[0][exact[0] >= 0]].sum() > 100  # The near plane is met.
    np.testing.assert_allclose(found[1][same & (exact[0] >= 0)], exact[1][same & (exact[0] >= 0)], atol=2e-3)


@needs_embree
def test_a_mesh_is_the_same_copied_as_a_whole_or_by_embreex(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    vertices, faces = _mesh(rng.normal(0, 1.5, (3000, 1, 3)) + rng.normal(0, 0.1, (3000, 3, 3)))
    directions = _rays(np.zeros(3), np.array([0.3, 2.0, 0.3]), spread=0.8)
    whole = make_caster("embree", vertices, faces).first_hits(np.zeros(3), directions)
    if sys.platform == "linux":
        assert embree_mesh._library() is not None, "embreex's objects are laid out anew: meshes go in slowly"
    monkeypatch.setattr(embree_mesh, "_library", lambda: None)
    ours = make_caster("embree", vertices, faces).first_hits(np.zeros(3), directions)
    hit = ours[0] >= 0
    assert len(np.unique(ours[0])) > 100
    np.testing.assert_array_equal(whole[0], ours[0])
    np.testing.assert_array_equal(whole[1][hit], ours[1][hit])


def test_a_closed_surface_has_no_cracks() -> None:
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(200)], 1)
    beside, tops = np.roll(ring, -1, 0), np.tile([0.0, 0, 1], (200, 1))
    vertices, faces = _mesh(np.concatenate([np.stack([ring, beside, tops], 1), np.stack([ring, beside, -tops], 1)]))
    inside = np.array([0.1, 0.05, 0.02])
    for aim in np.random.default_rng(0).normal(0, 1, (8, 3)):
        hit, places = make_caster("numpy", vertices, faces).first_hits(inside, _rays(inside, inside + aim, 0.7))
        assert (hit >= 0).all()
        np.testing.assert_allclose(places.sum(1), 1, atol=1e-5)
        assert (places >= 0).all()


def test_rays_that_meet_nothing_and_no_rays_at_all() -> None:
    caster = make_caster("numpy", *_mesh(GROUND))
    up = np.array([[0, 0, 1]], np.float32)
    faces, places = caster.first_hits(np.array([0, 0, 1.0]), up)
    assert (faces.tolist(), places.tolist()) == ([-1], [[0, 0, 0]])
    assert caster.first_hits(np.array([0, 0, 1.0]), up[:0])[0].shape == (0,)
    assert not caster.blocked(up, up, 9.0)[0]
    with pytest.raises(ValueError, match="right angle"):
        caster.first_hits(np.array([0, 0, 1.0]), np.array([[0, 0, 1], [0, 1, 0], [0, -0.9, -0.1]], np.float32))


@pytest.mark.parametrize("name", [pytest.param("embree", marks=needs_embree), "numpy"])
def test_something_in_the_way_blocks_within_reach(name: str) -> None:
    roof = np.array([[[-1, -1, 2], [1, -1, 2], [1, 1, 2]], [[-1, -1, 2], [1, 1, 2], [-1, 1, 2]]], np.float32)
    caster = make_caster(name, *_mesh(np.concatenate([GROUND, roof])))
    origins = np.array([[0, 0.1, 0.5], [3, 0, 0.5], [0, 0.1, 2.5], [0, 0.1, 2.003], [3, 0, 0.5]], np.float32)
    directions = np.array([[0, 0, 1], [0, 0, 1], [0, 0, -1], [0, 0, 1], [0, 0, -1]], np.float32)
    assert caster.blocked(origins, directions, 30.0).tolist() == [True, False, True, False, True]
    assert caster.blocked(origins, directions, 0.4).tolist() == [False] * 5


def test_numpy_renders_where_embreex_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "embreex.rtcore_scene", None)
    assert choose_caster() == "numpy"
    with pytest.raises(DependencyError, match=r"pip install 'discreet\[people\]', or choose 'numpy'"):
        choose_caster("embree")


def test_another_caster_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'optix'; choose one of embree, numpy"):
        render_picture("studio", 0, 0, 64, caster="optix")


@needs_embree
def test_a_set_is_not_resumed_with_the_other_caster(tmp_path: Path) -> None:
    options: dict[str, Any] = {"style": "studio", "count": 1, "size_px": 64, "seed": 9}
    generate_people(tmp_path, **options, caster="numpy")
    assert json.loads((tmp_path / "people.json").read_text())["caster"] == "numpy"
    with pytest.raises(ConfigurationError, match="begun with caster 'numpy', not 'embree'"):
        generate_people(tmp_path, **options, resume=True)


@pytest.mark.parametrize(("installed", "num_notes"), [(True, 0), (False, 1)])
def test_the_verb_says_once_what_is_lost_without_embreex(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    installed: bool,
    num_notes: int,
) -> None:
    if installed and importlib.util.find_spec("embreex") is None:
        pytest.skip("embreex has no wheel here")
    if not installed:
        monkeypatch.setitem(sys.modules, "embreex.rtcore_scene", None)
    assert main(["people", "--count", "1", "--size", "64", "--style", "studio", "--out", str(tmp_path), "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err.count("embreex is not installed") == num_notes
    assert json.loads(printed.out)["count"] == 1
