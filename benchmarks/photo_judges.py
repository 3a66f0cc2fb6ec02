"""Masks and keypoints of people by MediaPipe's networks, run outside MediaPipe.

    .cache/judges/bin/python benchmarks/photo_judges.py PHOTOGRAPHS MODELS OUT

Runs in an environment of its own (benchmarks/real-photos-requirements.txt): only numpy, Pillow and
LiteRT. Writes OUT/NAME.json (persons, keypoints, faces) and OUT/NAME.npz (selfie and pose masks).

- Detector: 224 px, 2 254 anchors on grids of 28, 14 and 7 cells; also on overlapping windows, for
  people who are small in the picture. It gives the middle of the hips and a point that says how
  large and how upright the person is.
- Landmarks: 256 px of that turned square; 33 points and a mask of this one person.
- Selfie mask: 256 px of the square around each person, the larger where they overlap; of the whole
  picture where nobody was found, or someone larger than the picture.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from PIL import Image

DETECTOR_PX, LANDMARK_PX, SELFIE_PX = 224, 256, 256
KEYPOINTS = {
    0: "nose", 2: "left eye", 5: "right eye", 7: "left ear", 8: "right ear", 11: "left shoulder",
    12: "right shoulder", 13: "left elbow", 14: "right elbow", 15: "left wrist", 16: "right wrist",
    23: "left hip", 24: "right hip", 25: "left knee", 26: "right knee", 27: "left ankle", 28: "right ankle",
}  # fmt: skip
MIN_DETECTION, MIN_PERSON, MIN_VISIBILITY = 0.5, 0.5, 0.7
MAX_SIDE_PX, MIN_SIDE_PX = 1024, 60

Float = NDArray[np.float32]


class Network:
    """One tflite file, single-threaded so that its answers never differ."""

    def __init__(self, path: Path) -> None:
        self._interpreter = Interpreter(str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]

    def __call__(self, image: Float) -> list[Float]:
        self._interpreter.set_tensor(self._input, image[None].astype(np.float32))
        self._interpreter.invoke()
        details = self._interpreter.get_output_details()
        return [self._interpreter.get_tensor(detail["index"])[0] for detail in details]


def anchors() -> Float:
    """Centres of the detector's anchors, [2254, 2] in 0–1: 2 a cell, 6 on the coarsest grid."""
    grids = []
    for cells, per_cell in ((28, 2), (14, 2), (7, 6)):
        y, x = np.mgrid[:cells, :cells]
        centres = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], 1) / cells
        grids.append(np.repeat(centres, per_cell, axis=0))
    return np.concatenate(grids).astype(np.float32)


def turned_square(image: Image.Image, x: float, y: float, side: float, roll: float, size_px: int) -> Image.Image:
    """The square of that centre, side and roll as a picture of size_px; black outside."""
    step, cos, sin = side / size_px, math.cos(roll), math.sin(roll)
    half = size_px / 2
    matrix = (
        step * cos, -step * sin, x - half * step * (cos - sin),
        step * sin, step * cos, y - half * step * (sin + cos),
    )  # fmt: skip
    if step > 1.5:  # bilinear sampling would skip pixels
        factor = int(step)
        small = image.reduce(factor)
        matrix = tuple(value / factor for value in matrix)
        return small.transform((size_px, size_px), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return image.transform((size_px, size_px), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def put_back(mask: Float, shape: tuple[int, int], x: float, y: float, side: float, roll: float) -> Float:
    """A square mask laid back into a picture of that (height, width)."""
    size = mask.shape[0]
    scale, cos, sin = size / side, math.cos(roll), math.sin(roll)
    matrix = (
        scale * cos, scale * sin, size / 2 - scale * (cos * x + sin * y),
        -scale * sin, scale * cos, size / 2 - scale * (-sin * x + cos * y),
    )  # fmt: skip
    whole = Image.fromarray(mask.astype(np.float32))
    return np.asarray(whole.transform(shape[::-1], Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR))


def windows(width: int, height: int) -> list[tuple[float, float, float]]:
    """(x, y, side) of squares to look for people in: the whole picture, then 3 × 3 overlapping halves."""
    side = float(max(width, height))
    found = [(width / 2, height / 2, side)]
    steps = (0.25, 0.5, 0.75)
    return found + [(width * x, height * y, side / 2) for y in steps for x in steps]


def detect(network: Network, image: Image.Image) -> list[tuple[float, float, float, float, float]]:
    """(score, x, y, side, roll) of the square around each person, the surest first; may repeat a person."""
    centres, found = anchors(), []
    for x, y, side in windows(*image.size):
        square = turned_square(image, x, y, side, 0.0, DETECTOR_PX)
        answers = network(np.asarray(square, np.float32) / 127.5 - 1)
        raw, logits = sorted(answers, key=lambda answer: -answer.shape[-1])
        scores = 1 / (1 + np.exp(-np.clip(logits[:, 0], -50, 50)))
        for index in np.flatnonzero(scores >= MIN_DETECTION):
            points = raw[index, 4:8].reshape(2, 2) / DETECTOR_PX + centres[index]
            (hip_x, hip_y), (top_x, top_y) = (points - 0.5) * side + (x, y)
            roll = math.atan2(top_x - hip_x, hip_y - top_y)
            size = 2.5 * math.hypot(top_x - hip_x, top_y - hip_y)
            found.append((float(scores[index]), float(hip_x), float(hip_y), size, roll))
    found.sort(reverse=True)
    kept: list[tuple[float, float, float, float, float]] = []
    for one in found:
        if all(math.hypot(one[1] - old[1], one[2] - old[2]) > 0.12 * max(one[3], old[3]) for old in kept):
            kept.append(one)
    return kept


def landmarks(network: Network, image: Image.Image, square: tuple[float, float, float, float]):
    """(person score, points [39, 4]: x, y, visibility, presence in picture pixels, mask [256, 256]) of one square."""
    x, y, side, roll = square
    answers = network(np.asarray(turned_square(image, x, y, side, roll, LANDMARK_PX), np.float32) / 255)
    flat = next(answer for answer in answers if answer.shape == (195,)).reshape(39, 5)
    score = float(next(answer for answer in answers if answer.shape == (1,))[0])
    logits = next(answer for answer in answers if answer.shape == (LANDMARK_PX, LANDMARK_PX, 1))[..., 0]
    local = (flat[:, :2] / LANDMARK_PX - 0.5) * side
    points = np.empty((39, 4), np.float32)
    points[:, 0] = x + local[:, 0] * math.cos(roll) - local[:, 1] * math.sin(roll)
    points[:, 1] = y + local[:, 0] * math.sin(roll) + local[:, 1] * math.cos(roll)
    points[:, 2:] = 1 / (1 + np.exp(-np.clip(flat[:, 3:], -50, 50)))
    return score, points, 1 / (1 + np.exp(-np.clip(logits, -50, 50)))


def face_ellipse(points: Float) -> tuple[float, float, float, float, float]:
    """(x, y, half width, half height, roll) around the eleven points of a face, 1.3 times its size."""
    face = points[:11, :2]
    eyes, mouth = face[1:7].mean(0), face[9:11].mean(0)
    spread = float(np.linalg.norm(face[7] - face[8]))
    height = float(np.linalg.norm(eyes - mouth))
    half_width = 1.3 * max(spread / 2, 1.0 * height)
    roll = math.atan2(*(eyes - mouth).tolist()) if height > 0 else 0.0
    centre = (eyes + mouth) / 2
    return float(centre[0]), float(centre[1]), half_width, max(1.3 * 1.6 * height, half_width), math.pi - roll


def find_persons(image: Image.Image, networks: dict[str, Network]) -> list[tuple[list[float], float, Float, Float]]:
    """(square, score, points, mask in the picture) of each person, nobody twice."""
    found: list[tuple[list[float], float, Float, Float]] = []
    for _, *square in detect(networks["detector"], image):
        score, points, _ = landmarks(networks["landmark"], image, square)
        # The square of the first look is loose: look again at the square that the points ask for.
        hip, top = points[33, :2], points[34, :2]
        side = 2.5 * float(np.linalg.norm(top - hip))
        if score < MIN_PERSON or side < MIN_SIDE_PX:
            continue
        square = [float(hip[0]), float(hip[1]), side, math.atan2(float(top[0] - hip[0]), float(hip[1] - top[1]))]
        score, points, mask = landmarks(networks["landmark"], image, square)
        if score >= MIN_PERSON:
            found.append((square, score, points, put_back(mask, image.size[::-1], *square) > 0.5))
    # Where two looks at one person differ, the one that sees more of the body is right; points of a wrong one cluster.
    found.sort(key=lambda person: (-len(visible(person[2], *image.size)), -person[0][2]))
    kept, covered = [], np.zeros(image.size[::-1], bool)
    for person in found:
        mask = person[3]
        # A "person" inside another one is the same person seen wrongly.
        if np.count_nonzero(mask & ~covered) > 0.4 * np.count_nonzero(mask):
            kept.append(person)
            covered |= mask
    return kept


def judge(image: Image.Image, networks: dict[str, Network]) -> tuple[dict[str, object], Float, Float]:
    """Persons of a picture, and two masks of all of them, bool [H, W]: by selfie and by pose network."""
    width, height = image.size
    persons = find_persons(image, networks)
    pose = np.zeros((height, width), bool)
    # The selfie network was made for whole pictures, stretched to its square.
    stretched = np.asarray(image.resize((SELFIE_PX, SELFIE_PX), Image.Resampling.BOX), np.float32) / 255
    whole = Image.fromarray(networks["selfie"](stretched)[0][..., -1])
    selfie = np.asarray(whole.resize((width, height), Image.Resampling.BILINEAR)) > 0.5
    close_up = any(square[2] > max(width, height) for square, *_ in persons)
    near = np.zeros((height, width), np.float32)
    for (x, y, side, _), _, _, mask in persons:
        square = np.asarray(turned_square(image, x, y, side, 0.0, SELFIE_PX), np.float32) / 255
        near = np.maximum(near, put_back(networks["selfie"](square)[0][..., -1], (height, width), x, y, side, 0.0))
        pose |= mask
    if persons and not close_up:
        selfie = near > 0.5
    told = [
        {
            "score": score,
            "size_px": side / 2.5,
            "face": face_ellipse(points),
            "keypoints": visible(points, width, height),
        }
        for (_, _, side, _), score, points, _ in persons
    ]
    return {"width": width, "height": height, "persons": told}, selfie, pose


def visible(points: Float, width: int, height: int) -> list[dict[str, object]]:
    """The keypoints that the network is sure to see and that lie in the picture."""
    return [
        {"name": name, "x": round(float(x), 1), "y": round(float(y), 1), "visibility": round(float(sure), 3)}
        for index, name in KEYPOINTS.items()
        for x, y, sure, present in [points[index]]
        if min(sure, present) >= MIN_VISIBILITY and 0 <= x < width and 0 <= y < height
    ]


def read(path: Path) -> Image.Image:
    """The photograph in RGB, its longer side at most MAX_SIDE_PX."""
    image = Image.open(path).convert("RGB")
    image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), Image.Resampling.LANCZOS)
    return image


def main(photographs: Path, models: Path, out: Path) -> None:
    """Judge every photograph that has no verdict yet."""
    out.mkdir(parents=True, exist_ok=True)
    files = {"detector": "pose_detection", "landmark": "pose_landmark_full", "selfie": "selfie_segmentation"}
    networks = {role: Network(models / f"{name}.tflite") for role, name in files.items()}
    for path in sorted([*photographs.glob("*.jpg"), *photographs.glob("*.png")]):
        if (out / f"{path.stem}.json").exists():
            continue
        verdict, selfie, pose = judge(read(path), networks)
        np.savez_compressed(out / f"{path.stem}.npz", selfie=selfie, pose=pose)
        # Written last: with it the verdict is whole.
        (out / f"{path.stem}.json").write_text(json.dumps(verdict) + "\n")
        print(f"judged {path.stem}: {len(verdict['persons'])} persons", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
