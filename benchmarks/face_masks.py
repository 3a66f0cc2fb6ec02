"""What masks hide: no face of 64 pixels or more is missed, and dlib's encoder knows nobody behind a mask.

    make face-masks

The fixed set: openpeople (ten people whom an AI made) and the photographs of tools/photographs.py, and people of
`discreet.data.people`. Of these the label "Face" also marks ears and slivers of cheek on backs of heads: a face shows
where the renderer saw one of its eyes; the others are counted apart. On photographs dlib's detector says where faces
are; it knows nothing of ours. Each identity's studio portrait, clear, is what the attacker has; 30 other pictures are
to be matched to it by dlib's encoder, which is told where the face is. By chance 3 of 30 are right.
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from discreet.data.people import generate
from discreet.data.people.face import Eye
from discreet.inference.faces import LARGEST_SIDE_PX, Face, FaceDetector
from discreet.labels import CIHP
from discreet.parsing.face_mask import blur_faces, mask_faces

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache"
PHOTOGRAPHS = CACHE / "real-photographs"
JUDGE_PYTHON = CACHE / "face-judges" / "bin" / "python"
RESULTS = HERE / "results" / "face_masks.json"

GALLERY = "studio_portrait"
PROBES = ("amateur_selfie", "amateur_posture", "studio_posture")
MOST_MATCHES, LEAST_CLEAR_MATCHES = 5, 20
LARGE_PX = 64
NUM_GENERATED, SIDE_PX, SEED = 90, 512, 4711
STYLES = ("street", "studio", "home")
# What dlib takes for a face and is none, looked at: a tuft of hair before trees.
FALSE_ALARMS = {"P005-amateur_selfie": [(717, 179, 803, 266)]}
LADDER_PX = (12, 16, 24, 32, 48, 64)
Image_ = NDArray[np.uint8]
FILLS: dict[str, Callable[[Image_, Sequence[Any]], Image_]] = {"solid": mask_faces, "blur": blur_faces}


def read(path: Path) -> Image_:
    """A photograph as the service sees it: its longest side at most LARGEST_SIDE_PX."""
    picture = Image.open(path).convert("RGB")
    picture.thumbnail((LARGEST_SIDE_PX, LARGEST_SIDE_PX), Image.Resampling.BOX)
    return np.asarray(picture)


def largest(faces: Sequence[Face]) -> tuple[float, float, float, float]:
    """The box of the face that fills most of the picture."""
    return max((face.box for face in faces), key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))


def hidden(box: Sequence[float], faces: Sequence[Face]) -> bool:
    """Whether the middle of a box lies within a mask."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return any(
        ((2 * x - x0 - x1) / (1.3 * (x1 - x0))) ** 2 + ((2 * y - y0 - y1) / (1.3 * (y1 - y0))) ** 2 <= 1
        for x0, y0, x1, y1 in (face.box for face in faces)
    )


def photographs(detector: FaceDetector, folder: Path) -> dict[str, Any]:
    """Faces of photographs found, and recognised behind each fill."""
    paths = sorted(path for path in PHOTOGRAPHS.iterdir() if path.suffix in (".jpg", ".png"))
    if len(paths) < 80:
        raise SystemExit(f"{PHOTOGRAPHS} holds {len(paths)} photographs; run `make face-masks`, which fetches them")
    found, encode, detect = {}, [], []
    for path in paths:
        image = read(path)
        found[path.stem] = faces = detector.find(image)
        pictures = {"clear": image} | {name: fill(image, [face.box for face in faces]) for name, fill in FILLS.items()}
        for name, pixels in pictures.items():
            Image.fromarray(pixels).save(folder / f"{path.stem}-{name}.png", compress_level=1)
            if path.stem.endswith((GALLERY, *PROBES)) and faces:
                clear, picture = (str(folder / f"{path.stem}-{kind}.png") for kind in ("clear", name))
                encode.append({"name": f"{path.stem}-{name}", "picture": picture, "guide": clear,
                               "box": largest(faces)})  # fmt: skip
        detect.append(str(folder / f"{path.stem}-clear.png"))
    judged = ask_judge({"encode": encode, "detect": detect}, folder)
    seen = {Path(picture).stem: boxes for picture, boxes in judged["seen"].items()}
    for name, alarms in FALSE_ALARMS.items():
        seen[f"{name}-clear"] = [box for box in seen[f"{name}-clear"] if tuple(box) not in alarms]
    missed = [name for name in found if name[0] == "P" and "back" not in name and not found[name]]
    unhidden = [name for name, faces in found.items() for box in seen[f"{name}-clear"] if is_large(box)
                and not hidden(box, faces)]  # fmt: skip
    matches = {name: count_matches(judged["codes"], name, "clear") for name in ("clear", *FILLS)}
    return {
        "pictures": len(paths),
        "pictures_with_faces": sum(1 for name in found if name[0] == "P" and "back" not in name) + 3,
        "found_on_backs": sum(len(found[name]) for name in found if "full_back" in name),
        "missed": missed,
        "large_faces_that_dlib_sees": sum(is_large(box) for name in found for box in seen[f"{name}-clear"]),
        "of_these_not_hidden": unhidden,
        "matched_of_30": matches,
        "matched_of_30_by_a_masked_portrait": {name: count_matches(judged["codes"], name, name) for name in FILLS},
    }


def is_large(box: Sequence[float]) -> bool:
    """Whether a face is one that must not be missed."""
    return max(box[2] - box[0], box[3] - box[1]) >= LARGE_PX


def count_matches(codes: dict[str, list[float]], probe: str, gallery: str) -> int:
    """Of the probes, how many lie nearest to their own identity's portrait; one without a code is none."""
    people = sorted({name.split("-")[0] for name in codes})
    portraits = np.array([codes[f"{person}-{GALLERY}-{gallery}"] for person in people])
    right = 0
    for index, person in enumerate(people):
        for kind in PROBES:
            code = codes.get(f"{person}-{kind}-{probe}")
            if code is not None:
                right += int(np.linalg.norm(portraits - np.array(code), axis=1).argmin() == index)
    return right


def ask_judge(jobs: dict[str, Any], folder: Path) -> dict[str, Any]:
    """dlib's word, from its own environment."""
    if not JUDGE_PYTHON.exists():
        raise SystemExit(f"the judge's environment {JUDGE_PYTHON} is missing; run `make face-masks`, which builds it")
    (folder / "jobs.json").write_text(json.dumps(jobs))
    command = [str(JUDGE_PYTHON), str(HERE / "face_judge.py"), str(folder / "jobs.json"), str(folder / "judged.json")]
    subprocess.run(command, check=True)
    return json.loads((folder / "judged.json").read_text())


def generated(detector: FaceDetector) -> dict[str, Any]:
    """Labelled faces, by whether an eye shows and by size: how many are there, missed, and hidden how far.

    Missed is a face of which most of the eyes stays in sight; where none shows, most of the label, which on bald heads
    reaches over the scalp.
    """
    edges = (12, 24, 48, LARGE_PX, 10_000)
    shares: dict[str, dict[str, list[tuple[float, float]]]] = {"an_eye_shows": {}, "no_eye_shows": {}}
    for image, face, eye in labelled_faces():
        rows, columns = np.nonzero(face)
        size = max(np.ptp(rows), np.ptp(columns)) + 1
        covered = mask_faces(np.ones_like(image), [found.box for found in detector.find(image)])[..., 0] == 0
        for low, high in itertools.pairwise(edges):
            if low <= size < high:
                of = shares["an_eye_shows" if eye.any() else "no_eye_shows"].setdefault(f"{low}-{high}", [])
                of.append((float(covered[eye if eye.any() else face].mean()), float(covered[face].mean())))
    return {
        kind: {
            size: {
                "faces": len(of),
                "missed": sum(shown < 0.5 for shown, _ in of),
                "hidden": round(float(np.mean([share for _, share in of])), 4),
            }
            for size, of in sorted(sizes.items(), key=lambda item: int(item[0].split("-")[0]))
        }
        for kind, sizes in shares.items()
    }


def labelled_faces() -> Iterator[tuple[Image_, NDArray[np.bool_], NDArray[np.bool_]]]:
    """A picture, the pixels of one face, and those of its eyes, for every face."""
    part = CIHP.names.index("Face")
    for index in range(NUM_GENERATED):
        with patch.object(generate, "photograph", wraps=generate.photograph) as photograph:
            image = generate.render_picture(STYLES[index % len(STYLES)], SEED, index, SIDE_PX).image
        _, stage, view, *_ = photograph.call_args.args
        of_eye = np.array([isinstance(layer.material, Eye) for layer in stage.layers])
        eyes = ((view.faces >= 0) & of_eye[stage.layer_of_face[view.faces]]).reshape(view.parts.shape)
        for person in np.unique(view.persons[view.parts == part]):
            owned = view.persons == person
            yield image, owned & (view.parts == part), owned & eyes


def ladder(detector: FaceDetector) -> dict[str, Any]:
    """The selfies' faces made ever smaller on a 512×512 canvas, and turned: the share that is found."""
    faces = []
    for path in sorted(PHOTOGRAPHS.glob("P*-amateur_selfie.jpg")):
        image = read(path)
        x0, y0, x1, y1 = largest(detector.find(image))
        around = (x0 + x1) / 2, (y0 + y1) / 2, 0.9 * (y1 - y0)
        left, top, right, bottom = (round(edge) for edge in (around[0] - around[2], around[1] - around[2],
                                                             around[0] + around[2], around[1] + around[2]))  # fmt: skip
        faces.append(Image.fromarray(image).crop((left, top, right, bottom)))
    small = {str(size): share_found(detector, faces, size, 0) for size in LADDER_PX}
    turned = {str(angle): share_found(detector, faces, 96, angle) for angle in (0, 30, 45, 60, 90, 135, 180)}
    return {"by_height_px": small, "by_turn_degrees": turned}


def share_found(detector: FaceDetector, faces: Sequence[Image.Image], height_px: int, angle: int) -> float:
    """Of faces so high, turned so far and laid on grey, how many are found."""
    side = round(1.8 * height_px)
    found = 0
    for face in faces:
        canvas = Image.new("RGB", (512, 512), (118, 124, 120))
        tile = face.resize((side, side), Image.Resampling.BOX).rotate(angle, fillcolor=(118, 124, 120))
        canvas.paste(tile, (200, 150))
        middle = (200 + side / 2, 150 + side / 2) * 2
        found += hidden(middle, detector.find(np.asarray(canvas)))
    return found / len(faces)


def seconds(detector: FaceDetector) -> dict[str, float]:
    """Milliseconds by size; the median of a few, on this machine as it is."""
    told = {}
    for height, width in ((512, 512), (480, 640), (1024, 1024)):
        image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        detector.find(image)
        taken = []
        for _ in range(7):
            started = time.perf_counter()
            detector.find(image)
            taken.append(time.perf_counter() - started)
        told[f"{width}x{height}"] = round(1000 * statistics.median(taken), 1)
    return told


def main() -> None:
    """Measure, write, and exit 1 when a limit is broken."""
    detector = FaceDetector(threads=2)
    with tempfile.TemporaryDirectory() as folder:
        told = {
            "photographs": photographs(detector, Path(folder)),
            "generated_by_longest_side_px": generated(detector),
            "ladder": ladder(detector),
            "milliseconds": seconds(detector),
        }
    print(json.dumps(told, indent=1))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(told, indent=1) + "\n")
    matched = told["photographs"]["matched_of_30"]
    large = told["generated_by_longest_side_px"]["an_eye_shows"][f"{LARGE_PX}-10000"]
    good = (
        all(matched[fill] <= MOST_MATCHES for fill in FILLS)
        and matched["clear"] >= LEAST_CLEAR_MATCHES
        and not told["photographs"]["missed"]
        and not told["photographs"]["of_these_not_hidden"]
        and not large["missed"]
    )
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
