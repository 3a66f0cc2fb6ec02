"""The body: a CC0 MakeHuman mesh with its shapes, skinned by numpy.

The mesh stands at the origin, faces -y, z is up, x > 0 is the person's own left; metres.
Beside the skin it holds helper meshes (tights, skirt, hair) that follow shape and pose, from
which garments are cut. Fields that say where on the body a vertex lies are defined on one
fixed shape, the template, and so hold for all.

Shapes: V vertices, B bones, F faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.mesh import turned, vertex_normals
from discreet.data.people.parts import Part

Floats = NDArray[np.floating]
Ints = NDArray[np.int32]

_ARM = ("upperarm", "lowerarm", "wrist", "finger", "metacarpal")
_LEG = ("upperleg", "lowerleg", "foot", "toe")
_MESHES = {
    "skin": "F_body",
    "tights": "F_helper-tights",
    "skirt": "F_helper-skirt",
    "hair": "F_helper-hair",
    "left_eye": "F_helper-l-eye",
    "right_eye": "F_helper-r-eye",
}


@dataclass(frozen=True)
class Template:
    """The body before shape and pose.

    Args:
        points: float32 [V, 3], vertices of the mean shape.
        heads: float32 [B, 3], joints of the mean shape.
        basis: float32 [K, 3V + 3B], shape components; `mean` is their origin.
        shapes: float32 [S, K], coefficients of sampled bodies, all scaled to the template's `height` in metres;
            `traits` float32 [S, 6]: gender (0 male, 1 female), years, muscle, weight, own height (metres), proportions.
        weights, weight_bones: [V, 4], skinning.
        parents: int [B], bones are ordered parents first.
        bones: names to numbers.
        meshes: int32 [F, 3] a mesh, by name.
        arm, leg, head, neck: float32 [V], how much a vertex belongs to it, 0 to 1.
        along_arm: 0 shoulder, 1 elbow, 2 wrist, 3 fingertip. along_leg: 0 hip, 1 knee, 2 ankle.
        eyes: float32 [2, 3], centres of the left and the right eye.
    """

    points: Floats
    heads: Floats
    mean: Floats
    basis: Floats
    shapes: Floats
    traits: Floats
    height: float
    weights: Floats
    weight_bones: Ints
    parents: Ints
    bones: dict[str, int]
    meshes: dict[str, Ints]
    arm: Floats
    leg: Floats
    head: Floats
    neck: Floats
    along_arm: Floats
    along_leg: Floats
    eyes: Floats

    def rows(self, mesh: str) -> Ints:
        """The vertices of a mesh, in order."""
        return _rows(mesh)

    def own_faces(self, mesh: str) -> Ints:
        """The faces of a mesh as places among its vertices."""
        return _own_faces(mesh)

    @property
    def all_faces(self) -> Ints:
        """Faces of all meshes together; they share no vertices."""
        return np.concatenate(list(self.meshes.values()))


@dataclass(frozen=True)
class Figure:
    """A body with shape and pose: vertices [V, 3], normals [V, 3], and the rigid head.

    `shaped` are the vertices before the pose; `head_pose` float32 [3, 4] takes what is fixed
    to the unposed head to where the head is.
    """

    shaped: Floats
    vertices: Floats
    normals: Floats
    head_pose: Floats

    @property
    def head_scale(self) -> float:
        """How large the head is beside the template's, by how far the eyes are apart: children's heads are larger."""
        body = template()
        left, right = (self.shaped[body.rows(name)].mean(0) for name in ("left_eye", "right_eye"))
        return float(np.linalg.norm(left - right) / np.linalg.norm(body.eyes[0] - body.eyes[1]))

    def on_head(self, points: Floats) -> Floats:
        """Points beside the unposed head, moved with the head."""
        return turned(points, self.head_pose[:, :3], self.head_pose[:, 3])


@lru_cache(maxsize=1)
def template() -> Template:
    """The shipped body, read once a process."""
    source = resources.files("discreet") / "assets" / "body.npz"
    with resources.as_file(source) as path, np.load(path) as file:
        asset = {name: file[name] for name in file.files}
    num_vertices, bones = len(asset["used"]), {str(name): k for k, name in enumerate(asset["bones"])}
    mean = asset["mu"].astype(np.float32)
    points, heads = mean[: 3 * num_vertices].reshape(-1, 3), mean[3 * num_vertices :].reshape(-1, 3)
    weights, weight_bones = asset["w"].astype(np.float32), asset["wi"].astype(np.int32)
    weights = weights / weights.sum(1, keepdims=True)
    meshes = {name: asset[key].astype(np.int32) for name, key in _MESHES.items()}

    def belonging(*prefixes: str) -> Floats:
        wanted = np.array([name.startswith(prefixes) for name in bones])
        return (weights * wanted[weight_bones]).sum(1).astype(np.float32)

    eyes = [points[np.unique(meshes[name])].mean(0) for name in ("left_eye", "right_eye")]
    return Template(
        points=points,
        heads=heads,
        mean=mean,
        basis=asset["basis"].astype(np.float32) * asset["scale"],
        shapes=asset["coef"].astype(np.float32),
        traits=asset["traits"].astype(np.float32),
        height=float(np.ptp(points[meshes["skin"], 2])),
        weights=weights,
        weight_bones=weight_bones,
        parents=asset["parents"].astype(np.int32),
        bones=bones,
        meshes=meshes,
        arm=belonging(*_ARM),
        leg=belonging(*_LEG),
        head=belonging("head", "eye"),
        neck=belonging("neck"),
        along_arm=_along(points, heads, bones, ("upperarm01", "lowerarm01", "wrist", "finger3-3")),
        along_leg=np.interp(
            -points[:, 2], [-heads[bones[name], 2] for name in ("upperleg01.L", "lowerleg01.L", "foot.L")], [0, 1, 2]
        ).astype(np.float32),
        eyes=np.stack(eyes),
    )


@cache
def _rows(mesh: str) -> Ints:
    return np.unique(template().meshes[mesh])


@cache
def _own_faces(mesh: str) -> Ints:
    return np.searchsorted(_rows(mesh), template().meshes[mesh]).astype(np.int32)


def _along(points: Floats, heads: Floats, bones: dict[str, int], joints: tuple[str, ...]) -> Floats:
    """Position along a chain of joints, by the nearest segment; both sides by mirroring x."""
    mirrored = np.abs(points[:, :1]) * np.array([1, 0, 0]) + points * np.array([0, 1, 1])
    chain = heads[[bones[f"{joint}.L"] for joint in joints]]
    nearest = np.full(len(points), np.inf)
    result = np.zeros(len(points), np.float32)
    last = len(chain) - 2
    for segment in range(last + 1):
        start, step = chain[segment], chain[segment + 1] - chain[segment]
        position = (mirrored - start) @ step / (step @ step)
        position = np.clip(position, -1 if segment == 0 else 0, 2 if segment == last else 1)
        distance = np.linalg.norm(mirrored - start - position[:, None] * step, axis=1)
        closer = distance < nearest
        nearest[closer], result[closer] = distance[closer], segment + position[closer]
    return result


def part_labels() -> NDArray[np.uint8]:
    """CIHP id of every vertex of the bare skin, uint8 [V]."""
    body = template()
    left = body.points[:, 0] > 0
    labels = np.full(len(body.points), Part.TORSO_SKIN, np.uint8)
    labels[body.head > 0.5] = Part.FACE
    labels[body.arm > 0.5] = np.where(left, Part.LEFT_ARM, Part.RIGHT_ARM)[body.arm > 0.5]
    labels[body.leg > 0.5] = np.where(left, Part.LEFT_LEG, Part.RIGHT_LEG)[body.leg > 0.5]
    return labels


def shape_body(coefficients: Floats) -> tuple[Floats, Floats]:
    """Vertices [V, 3] and joints [B, 3] of an unposed body with shape coefficients [K]."""
    body = template()
    flat = body.mean + np.einsum("k,kn->n", coefficients.astype(np.float32), body.basis)
    split = body.points.size
    return flat[:split].reshape(-1, 3), flat[split:].reshape(-1, 3)


def pose_body(coefficients: Floats, rotations: dict[str, Floats], shift: Floats | None = None) -> Figure:
    """Linear blend skinning.

    Args:
        coefficients: float32 [K], the shape.
        rotations: float32 [3, 3] by bone name, about the bone's joint, in the axes of its
            parent (which are the world's while the body is unposed).
        shift: float32 [V, 3], added to the vertices before the pose: an expression of the face.

    Returns:
        A figure whose lowest point, the arms aside, is at z = 0: nobody floats on their hands.
    """
    body = template()
    shaped, heads = shape_body(coefficients)
    shaped = shaped if shift is None else shaped + shift
    poses = _bone_poses(rotations, heads)
    vertices = _skinned(poses, shaped)
    skin = body.rows("skin")
    lift = np.array([0, 0, -vertices[skin[body.arm[skin] < 0.5], 2].min()], np.float32)
    vertices = (vertices + lift).astype(np.float32)
    head_pose = poses[body.bones["head"]].copy()
    head_pose[:, 3] += lift
    return Figure(shaped, vertices, vertex_normals(vertices, body.all_faces), head_pose)


def _bone_poses(rotations: dict[str, Floats], heads: Floats) -> Floats:
    """Where each bone's turn about its joint and those of its parents take points, float32 [B, 3, 4]."""
    body = template()
    poses = np.zeros((len(body.bones), 3, 4), np.float32)
    identity = np.eye(3, 4, dtype=np.float32)
    for name, bone in body.bones.items():
        parent = body.parents[bone]
        base = poses[parent] if parent >= 0 else identity
        turn = rotations.get(name)
        if turn is None:
            poses[bone] = base
            continue
        offset = heads[bone] - turn @ heads[bone]
        poses[bone, :, :3], poses[bone, :, 3] = base[:, :3] @ turn, base[:, :3] @ offset + base[:, 3]
    return poses


def _skinned(poses: Floats, shaped: Floats) -> Floats:
    """Vertices [V, 3] moved with their bones."""
    body = template()
    flat = poses.reshape(len(poses), 12)
    blended = flat.take(body.weight_bones[:, 0], axis=0) * body.weights[:, :1]
    for number in range(1, body.weights.shape[1]):
        blended += flat.take(body.weight_bones[:, number], axis=0) * body.weights[:, number, None]
    x, y, z = shaped.T
    rows = (blended.T[4 * axis : 4 * axis + 4] for axis in range(3))
    return np.stack([row[0] * x + row[1] * y + row[2] * z + row[3] for row in rows], 1)
