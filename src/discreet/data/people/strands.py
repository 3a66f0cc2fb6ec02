"""Hair that hangs in strands: tails, braids and locks, as tubes in the frame of the unposed head.

Shapes: P points of a path, S sides of a tube.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int32]
Rng = np.random.Generator


def tube(path_P3: Floats, radii_P: Floats, sides: int = 8) -> tuple[Floats, Ints]:
    """Vertices and faces around a path; ends whose radius is small look closed."""
    path_P3 = np.asarray(path_P3, np.float32)
    along = np.gradient(path_P3, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    # A path that hangs runs along z: x and its own normal are never parallel to it.
    second = np.zeros(along.shape)
    second[:, 1], second[:, 2] = along[:, 2], 0 - along[:, 1]
    second /= np.maximum(np.linalg.norm(second, axis=1, keepdims=True), 1e-9)
    first = np.cross(second, along)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = np.cos(angle)[None, :, None] * first[:, None] + np.sin(angle)[None, :, None] * second[:, None]
    vertices = (path_P3[:, None] + ring * np.asarray(radii_P)[:, None, None]).reshape(-1, 3)
    return vertices.astype(np.float32), _tube_faces(len(path_P3), sides)


@cache
def _tube_faces(count: int, sides: int) -> Ints:
    """Faces between `count` rings of vertices."""
    row, side = (grid.ravel() for grid in np.mgrid[: count - 1, :sides])
    here, beside = row * sides + side, row * sides + (side + 1) % sides
    faces = [np.stack([here, beside, beside + sides], 1), np.stack([here, beside + sides, here + sides], 1)]
    return np.concatenate(faces).astype(np.int32)


def join(pieces: list[tuple[Floats, Ints]]) -> tuple[Floats, Ints]:
    """Several meshes as one."""
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in pieces)])
    faces = [piece[1] + start for piece, start in zip(pieces, starts, strict=False)]
    return np.concatenate([vertices for vertices, _ in pieces]), np.concatenate(faces).astype(np.int32)


def falling(start_3: Floats, outwards_3: Floats, length: float, reach: float, count: int = 9) -> Floats:
    """A path [P, 3] that leaves a point outwards, then hangs: `reach` metres out, `length` metres in all."""
    step = np.linspace(0, 1, count)[:, None]
    out = np.asarray(outwards_3) * reach * (1 - (1 - step) ** 3)
    down = np.array([0.0, 0.0, -1.0]) * length * (0.25 * step + 0.75 * step**2)
    return (np.asarray(start_3) + out + down).astype(np.float32)


def tail(start_3: Floats, length: float, width: float) -> tuple[Floats, Ints]:
    """A ponytail: narrow where it is tied, full in the middle, thin at its end."""
    path = falling(start_3, np.array([0.0, 1.0, 0.25]), length, 0.07, 12)
    step = np.linspace(0, 1, 12)
    return tube(path, width * (0.45 + 1.1 * np.sqrt(step) * (1 - step**3)) * (1 - 0.9 * step**8), 12)


def braid(start_3: Floats, outwards_3: Floats, length: float, width: float) -> tuple[Floats, Ints]:
    """A plait: a tube that swells and narrows."""
    count = 28
    path = falling(start_3, outwards_3, length, 0.035, count)
    step = np.linspace(0, 1, count)
    return tube(path, width * (1 - 0.35 * step) * (0.75 + 0.3 * np.abs(np.sin(step * np.pi * length / 0.045))), 7)


def locks(roots_N3: Floats, middle_3: Floats, length: float, rng: Rng) -> tuple[Floats, Ints]:
    """Dreadlocks from roots on the scalp, falling away from the middle of the head."""
    pieces = []
    for root in roots_N3:
        outwards = (root - middle_3) * (1, 1, 0.2)
        outwards /= max(float(np.linalg.norm(outwards)), 1e-6)
        # From the crown a lock first has to get over the side of the head.
        over = max(0.0, 0.085 - float(np.hypot(*(root - middle_3)[:2])))
        path = falling(root, outwards, length * rng.uniform(0.75, 1.1), over + rng.uniform(0.02, 0.045), 8)
        pieces.append(tube(path, np.full(8, rng.uniform(0.007, 0.01)) * np.r_[np.ones(7), 0.4], 5))
    return join(pieces)
