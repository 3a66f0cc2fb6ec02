"""How well parsers do on photographs, by the word of networks that were trained on real people.

    make real-photos                                  # m2fp-lite, with clear, masked and served faces
    python benchmarks/real_photos.py [--models m2fp-lite runs/mine] [--pictures DIR] [--only bus ...]

Eighty are by an AI, of ten people who never existed; three are photographs. Nobody labelled them. MediaPipe's
masks and keypoints stand in for labels: foreground IoU against the selfie mask, and the share of visible
keypoints that lie in a part that may be there (photo_rules.py). The two masks of MediaPipe are also held
against each other: where they disagree the judge is not worth much, and such photographs are counted apart
("agreed" leaves them out). Faces are clear; or "masked", a grey ellipse over every head that the judge saw, turned away
or not; or "served", under what the service lays over those that its detector finds. `elsewhere_iou` leaves out
where the judge overlooks somebody, so that who finds them is not blamed. Photographs and judges: tools/photographs.py;
verdicts are cached beside them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from photo_rules import elsewhere, foreground_errors, foreground_iou, judge_keypoint, mask_faces, tally
from PIL import Image, ImageDraw

import discreet
from discreet.inference.faces import FaceDetector
from discreet.inference.parser import Parser
from discreet.loading import model_folder
from discreet.parsing.face_mask import mask_faces as mask_as_served

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache"
PHOTOGRAPHS, MODELS = CACHE / "real-photographs", CACHE / "judge-models"
JUDGE_PYTHON = CACHE / "judges" / "bin" / "python"
RESULTS = HERE / "results" / "real_photos.json"
TARGETS = {"foreground_iou": 0.85, "keypoints_right": 0.85}
MIN_AGREEMENT = 0.85
# Where somebody stands whom the selfie mask leaves out (seen by eye): shares of the picture, x0, y0, x1, y1.
OVERLOOKED = {"bus": ((0.82, 0.35, 1.0, 0.83), (0.0, 0.5, 0.09, 0.83))}
FACES = ("clear", "masked", "served")
DISC = 0.03  # of a person's size: half of what the pose network reports as the body's circle
COLOURS = {"right": "lime", "side": "magenta", "background": "red", "other": "orange"}


def verdicts() -> Path:
    """The folder of the judges' verdicts, complete; the judges run where one is missing."""
    program = (HERE / "photo_judges.py").read_bytes()
    folder = CACHE / "verdicts" / hashlib.sha256(program).hexdigest()[:12]
    photographs = [*PHOTOGRAPHS.glob("*.jpg"), *PHOTOGRAPHS.glob("*.png")]
    if not photographs:
        raise SystemExit(f"no photographs in {PHOTOGRAPHS}; run `make real-photos`, which fetches them")
    if all((folder / f"{path.stem}.json").exists() for path in photographs):
        return folder
    if not JUDGE_PYTHON.exists():
        raise SystemExit(f"the judges' environment {JUDGE_PYTHON} is missing; run `make real-photos`, which builds it")
    command = [str(JUDGE_PYTHON), str(HERE / "photo_judges.py"), str(PHOTOGRAPHS), str(MODELS), str(folder)]
    subprocess.run(command, check=True)
    return folder


def kind_of(name: str) -> str:
    """Kind of photograph: the part of an openpeople name after its identity, else the name itself."""
    return name.partition("-")[2] or name


def covered(image: NDArray[np.uint8], persons: list[dict[str, Any]], faces: str) -> tuple[NDArray[np.uint8], int]:
    """The photograph with faces as `faces` says, see above; and how many were covered."""
    if faces == "masked":
        return mask_faces(image, (person["face"] for person in persons)), len(persons)
    if faces == "served":
        boxes = [face.box for face in _detector().find(image)]
        return mask_as_served(image, boxes), len(boxes)
    return image, 0


@cache
def _detector() -> FaceDetector:
    """The service's."""
    return FaceDetector()


def measure(parser: Parser, name: str, verdict: dict[str, Any], folder: Path, faces: str) -> dict[str, Any]:
    """Figures of one photograph and, under "picture", what can be looked at."""
    (path,) = [path for path in PHOTOGRAPHS.glob(f"{name}.*") if path.suffix in (".jpg", ".png")]
    picture = Image.open(path).convert("RGB").resize((verdict["width"], verdict["height"]), Image.Resampling.LANCZOS)
    persons = verdict["persons"]
    image, num_covered = covered(np.asarray(picture), persons, faces)
    result = parser.parse(image)
    with np.load(folder / f"{name}.npz") as masks:
        selfie, pose = masks["selfie"], masks["pose"]
    outside = elsewhere(selfie.shape, OVERLOOKED.get(name, ()))
    judged = [
        (point, judge_keypoint(result.parts, result.labels.names, point["name"], point["x"], point["y"], radius))
        for person in persons
        for radius in [DISC * person["size_px"]]
        for point in person["keypoints"]
    ]
    return {
        "name": name,
        "foreground_iou": foreground_iou(result.parts, selfie),
        **foreground_errors(result.parts, selfie),
        "elsewhere_iou": foreground_iou(result.parts * outside, selfie & outside),
        "judges_agree": float(np.count_nonzero(selfie & pose) / max(1, np.count_nonzero(selfie | pose))),
        "num_found": len(result.persons),
        "num_judged": len(persons),
        "num_covered": num_covered,
        "keypoints": [(point["name"], outcome) for point, outcome in judged],
        "picture": beside(image, result.overlay(), selfie, pose, judged),
    }


def beside(
    image: NDArray[np.uint8],
    overlay: NDArray[np.uint8],
    selfie: NDArray[np.bool_],
    pose: NDArray[np.bool_],
    judged: list[tuple[dict[str, Any], str]],
) -> Image.Image:
    """Photograph | overlay | the judges: selfie mask bright, pose mask blue, keypoints by outcome."""
    judges = (image * np.where(selfie, 1.0, 0.3)[..., None]).astype(np.uint8)
    judges[pose, 2] = np.maximum(judges[pose, 2], 170)
    whole = Image.fromarray(np.concatenate([image, overlay, judges], axis=1))
    draw = ImageDraw.Draw(whole)
    for point, outcome in judged:
        for shift in (1, 2):
            x, y = point["x"] + shift * image.shape[1], point["y"]
            draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=COLOURS[outcome], outline="black")
    return whole


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over photographs and shares over keypoints."""
    means = {
        key: float(np.mean([row[key] for row in rows]))
        for key in ("foreground_iou", "missed", "invented", "elsewhere_iou", "judges_agree")
    }
    sums = {key: sum(row[key] for row in rows) for key in ("num_judged", "num_covered")}
    keypoints = tally(pair for row in rows for pair in row["keypoints"])
    return {"num_photographs": len(rows), **sums, **means, "keypoints": keypoints}


def by_kind(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Summaries: of all, of those on which the judges agree, and of each kind."""
    agreed = [row for row in rows if row["judges_agree"] >= MIN_AGREEMENT]
    found = {"all": summarise(rows)} | ({"agreed": summarise(agreed)} if agreed else {})
    for kind in sorted({kind_of(row["name"]) for row in rows}):
        found[kind] = summarise([row for row in rows if kind_of(row["name"]) == kind])
    return found


def tell(title: str, found: dict[str, Any]) -> None:
    """A table on stderr."""
    print(f"\n{title}", file=sys.stderr)
    print(f"{'':18}photos  fg IoU  missed invented judges |  points  right   side  backgr  other", file=sys.stderr)
    for kind, row in found.items():
        points = row["keypoints"]["all"]
        print(
            f"{kind:18}{row['num_photographs']:6}{row['foreground_iou']:8.3f}{row['missed']:8.3f}{row['invented']:9.3f}"
            f"{row['judges_agree']:7.3f} |{points['num']:8}{points['right']:7.3f}{points['side']:7.3f}"
            f"{points['background']:8.3f}{points['other']:7.3f}",
            file=sys.stderr,
        )
    joints = found["all"]["keypoints"]
    for joint, row in joints.items():
        if joint != "all":
            print(
                f"  {joint:10}" + "  ".join(f"{key} {value:.2f}" for key, value in row.items() if key != "num"),
                file=sys.stderr,
            )


def main() -> None:
    """Measure, print, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["m2fp-lite"], help="shipped names or folders")
    parser.add_argument("--faces", nargs="+", choices=FACES, default=FACES)
    parser.add_argument("--only", nargs="+", help="photographs whose name contains one of these")
    parser.add_argument("--pictures", type=Path, help="folder for photograph | overlay | judges")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    folder = verdicts()
    names = [path.stem for path in sorted(folder.glob("*.json"))]
    names = [name for name in names if not arguments.only or any(word in name for word in arguments.only)]
    if not names:
        raise SystemExit(f"no photograph's name contains {' or '.join(arguments.only)}")
    results: dict[str, Any] = {"targets": TARGETS, "models": {}}
    for model in arguments.models:
        described = json.loads((model_folder(model) / "model.json").read_text())
        entry: dict[str, Any] = {"sha256": described.get("made_from") or described["sha256"]}
        loaded = discreet.load(model)
        for faces in arguments.faces:
            rows = []
            for name in names:
                row = measure(loaded, name, json.loads((folder / f"{name}.json").read_text()), folder, faces)
                picture = row.pop("picture")
                rows.append(row)
                if arguments.pictures:
                    target = arguments.pictures / Path(model).name / faces
                    target.mkdir(parents=True, exist_ok=True)
                    picture.save(target / f"{name}.jpg", quality=88)
            entry[faces] = by_kind(rows)
            tell(f"{model}, faces {faces}", entry[faces])
        results["models"][Path(model).name] = entry
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
