"""Tries to recognise faces, masked or not, with dlib's detector and encoder; runs in an environment of its own.

    .cache/face-judges/bin/python benchmarks/face_judge.py JOBS.json OUT.json

JOBS: {"encode": [{"name", "picture", "guide", "box"}], "detect": [picture]}. The encoder is told where the face is: its
landmarks are taken from `guide`, the clear picture, so that a mask does not win by hiding the place alone.
OUT: {"codes": {name: 128 numbers}, "seen": {picture: [[x0, y0, x1, y1]]}}.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path

import dlib  # pyright: ignore[reportMissingImports]
import numpy as np
from PIL import Image

# Public domain, by the author of dlib.
MODELS = {
    "shape_predictor_5_face_landmarks.dat": "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
    "dlib_face_recognition_resnet_model_v1.dat": "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
}


def model(name: str) -> str:
    """Path of a network that is the one we know."""
    package = importlib.util.find_spec("face_recognition_models")
    if package is None or package.origin is None:
        raise SystemExit("face_recognition_models is missing; run `make face-masks`")
    path = Path(package.origin).parent / "models" / name
    if hashlib.sha256(path.read_bytes()).hexdigest() != MODELS[name]:
        raise SystemExit(f"{path} is not the network we know; do not use it")
    return str(path)


def read(path: str) -> np.ndarray:
    """uint8 [H, W, 3]."""
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


def square(box: list[float]) -> dlib.rectangle:
    """As dlib's own detector frames faces: a square from the brows to the chin."""
    x0, y0, x1, y1 = box
    half = (x1 - x0 + y1 - y0) / 4
    x, y = (x0 + x1) / 2, (y0 + y1) / 2 + 0.05 * (y1 - y0)
    return dlib.rectangle(*(round(edge) for edge in (x - half, y - half, x + half, y + half)))


def main(jobs: Path, out: Path) -> None:
    """Encode and detect."""
    landmarks = dlib.shape_predictor(model("shape_predictor_5_face_landmarks.dat"))
    encoder = dlib.face_recognition_model_v1(model("dlib_face_recognition_resnet_model_v1.dat"))
    detector = dlib.get_frontal_face_detector()
    asked = json.loads(jobs.read_text())
    codes = {}
    for job in asked["encode"]:
        shape = landmarks(read(job["guide"]), square(job["box"]))
        codes[job["name"]] = list(encoder.compute_face_descriptor(read(job["picture"]), shape))
    seen = {
        picture: [[face.left(), face.top(), face.right(), face.bottom()] for face in detector(read(picture), 0)]
        for picture in asked["detect"]
    }
    out.write_text(json.dumps({"codes": codes, "seen": seen}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
