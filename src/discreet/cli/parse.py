"""`discreet parse`: find every person and every part in pictures."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from discreet.cli.output import Output
    from discreet.inference.faces import FaceDetector
    from discreet.inference.parser import Parser

HELP = (
    "Find every person and every part. Writes NAME.overlay.png to look at and NAME.parts.png, "
    "whose pixels are part ids, for each picture."
)

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_OPTIONS_FILE = "parse.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Pictures, folders of pictures, or quoted patterns."""
    parser.add_argument(
        "pictures", nargs="+", metavar="PICTURE", help="a picture, a folder, or a pattern such as '*.jpg'"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--model", default="m2fp-lite", metavar="M", help="a shipped name, a run's folder, or an export"
    )
    parser.add_argument("--opacity", type=float, default=0.5, help="of the colours, 0 to 1")
    parser.add_argument(
        "--mask-faces", action=argparse.BooleanOptionalAction, default=False,
        help="hide faces before anything else looks at the picture; pictures over 2048 px are made smaller first",
    )  # fmt: skip
    parser.add_argument(
        "--resume", action="store_true",
        help="leave out pictures whose results are there, newer, and of the same options, as DIR/parse.json notes",
    )  # fmt: skip


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Parse all pictures; one that cannot be read or written is reported, and the others are done."""
    import json

    import discreet
    from discreet.cli.main import FULL_DISK
    from discreet.errors import ConfigurationError, PictureError

    if not 0 <= arguments.opacity <= 1:
        raise ConfigurationError(f"--opacity is {arguments.opacity}; 0 to 1 is allowed")
    pictures = _find(arguments.pictures, arguments.out)
    options = _shaping(arguments)
    since = _made_since(options, arguments.out, arguments.resume)
    left = [picture for picture in pictures if not (arguments.resume and _is_done(picture, arguments.out, since))]
    work = _Work(discreet.load(arguments.model), _detector() if arguments.mask_faces else None, arguments)
    arguments.out.mkdir(parents=True, exist_ok=True)
    if since == math.inf:
        _write(arguments.out / _OPTIONS_FILE, (json.dumps(options, indent=1) + "\n").encode())
    done: list[dict[str, Any]] = []
    problems: list[dict[str, str]] = []
    with output.progress("parse", len(pictures), len(pictures) - len(left)) as advance:
        for picture in left:
            try:
                done.append(_parse(picture, work))
            except PictureError as problem:
                problems.append({"picture": str(picture), "what": str(problem)})
            except OSError as problem:
                if problem.errno in FULL_DISK or problem.filename is None:
                    raise  # the others would fare no better, or it is no file's fault
                what = f"{picture}: {problem.strerror}; rename it, or check who may write into {arguments.out}"
                problems.append({"picture": str(picture), "what": what})
            advance()
    output.result({"pictures": done, "problems": problems, "left_out": len(pictures) - len(left)})
    _show(done, arguments.out, output)
    if arguments.resume:
        output.line(f"{len(pictures) - len(left)} were there already")
    for problem in problems:
        output.error(problem["what"])
    return 1 if problems else 0


def _find(words: Sequence[str], out: Path) -> list[Path]:
    """The pictures that the words name, each once.

    Raises:
        UsageError: results would lie among the pictures.
        ConfigurationError: a folder or pattern without pictures, or two pictures whose results would
            have one name.
    """
    import glob

    from discreet.errors import ConfigurationError, UsageError

    found: dict[Path, None] = {}
    for word in words:
        path = Path(word)
        if path.is_dir():
            if out.exists() and out.samefile(path):
                raise UsageError(f"--out is {word} itself, and results would be parsed next time; name another")
            pictures = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in _SUFFIXES)
        elif not path.exists() and glob.has_magic(word):
            pictures = [Path(name) for name in sorted(glob.glob(word, recursive=True)) if Path(name).is_file()]
        else:
            pictures = [path]  # one that is not there is reported when it is read
        if not pictures:
            raise ConfigurationError(f"{word} holds no picture; name JPEG, PNG or WebP files")
        found.update(dict.fromkeys(pictures))
    names: dict[str, Path] = {}
    for path in found:
        other = names.setdefault(path.stem.casefold(), path)
        if other is not path:
            raise ConfigurationError(
                f"{other} and {path} would both become {path.stem}.*.png; rename one, or parse them into two folders"
            )
    return list(found)


def _shaping(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options that shape results. *Public*: the model is named by the hash of its description, which holds that
    of its weights, and not by a path."""
    from discreet.inference.exported import digest_of
    from discreet.inference.models import model_folder

    model = digest_of(model_folder(arguments.model))
    return {"model": model, "opacity": arguments.opacity, "mask_faces": arguments.mask_faces}


def _made_since(options: dict[str, Any], out: Path, resume: bool) -> float:
    """Since when results in a folder are made with these options; infinity where they are not, or nobody noted it.

    Raises:
        ConfigurationError: results of other options would be resumed, or another's file is in the way.
    """
    import json

    from discreet.errors import ConfigurationError

    path = out / _OPTIONS_FILE
    try:
        noted, since = json.loads(path.read_bytes()), path.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return math.inf
    except ValueError:
        noted, since = None, math.inf
    if not isinstance(noted, dict) or noted.keys() != options.keys():
        raise ConfigurationError(f"{path} is not what parse notes there; move it away, or name another --out")
    changed = [_as_said(name, noted[name]) for name in options if noted[name] != options[name]]
    if resume and changed:
        raise ConfigurationError(
            f"{out} holds results with {', '.join(changed)}: resume with the same, parse all anew without --resume, or "
            "name another --out"
        )
    return math.inf if changed else since


def _as_said(name: str, value: object) -> str:
    """An option as it was said on the command line."""
    if name == "mask_faces":
        return "--mask-faces" if value else "--no-mask-faces"
    return "another --model" if name == "model" else f"--{name} {value}"


@dataclass(frozen=True)
class _Work:
    """What every picture needs."""

    parser: Parser
    detector: FaceDetector | None
    arguments: argparse.Namespace


def _parse(picture: Path, work: _Work) -> dict[str, Any]:
    """Parse one picture and write its two files."""
    import time

    from discreet.inference.image_io import encode_parts_png, encode_png, read_image

    started = time.perf_counter()
    image, faces = read_image(picture), None
    if work.detector is not None:
        image, faces = _without_faces(image, work.detector)
    result = work.parser.parse(image)
    milliseconds = round((time.perf_counter() - started) * 1000, 1)
    overlay, parts = _results_of(picture, work.arguments.out)
    _write(overlay, encode_png(result.overlay(work.arguments.opacity)))
    _write(parts, encode_parts_png(result.parts, result.labels))
    return {"picture": str(picture), **result.summary(), "faces": faces, "milliseconds": milliseconds}


def _detector() -> FaceDetector:
    """Of faces."""
    from discreet.inference.faces import FaceDetector

    return FaceDetector(threads=0)


def _without_faces(image: NDArray[np.uint8], detector: FaceDetector) -> tuple[NDArray[np.uint8], int]:
    """The picture with its faces hidden, no finer than what was searched; and how many there were."""
    from discreet.inference.faces import small_enough
    from discreet.parsing.face_mask import mask_faces

    searched = small_enough(image)
    faces = detector.find(searched)
    return mask_faces(searched, [face.box for face in faces]), len(faces)


def _results_of(picture: Path, out: Path) -> tuple[Path, Path]:
    """Where a picture's overlay and part map go."""
    return out / f"{picture.stem}.overlay.png", out / f"{picture.stem}.parts.png"


def _is_done(picture: Path, out: Path, since: float) -> bool:
    """Whether both results are there, of these options and newer than the picture; they are written whole."""
    try:
        oldest = max(since, picture.stat().st_mtime)
        return all(path.stat().st_mtime >= oldest for path in _results_of(picture, out))
    except OSError:  # one is missing, or cannot be there: parsing it says so
        return False


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; what a killed process left of it goes when it is written again."""
    import hashlib
    import os

    # Short: whatever name the file may have, this one fits, too.
    short = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    unfinished = path.with_name(f".{short}.unfinished")
    try:
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _show(done: Sequence[dict[str, Any]], out: Path, output: Output) -> None:
    """A table for people."""
    rows = [
        (
            Path(entry["picture"]).name,
            f"{entry['width']}×{entry['height']}",
            len(entry["persons"]),
            ", ".join(entry["parts"]) or None,
            f"{entry['milliseconds']:.0f} ms",
        )
        for entry in done
    ]
    if rows:
        output.table(f"Parsed into {out}", ("picture", "size", "persons", "parts", "time"), rows)
