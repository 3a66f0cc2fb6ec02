"""Fetch photographs, and the networks that judge parsers on them, out of packages, without installing these.

    python tools/photographs.py FOLDER                                        # the three of the demo
    python tools/photographs.py .cache/real-photographs --judges .cache/judge-models   # all, and the judges

Each file is taken from one pinned wheel; the file, or the whole wheel, is checked against its SHA-256.
Licences: NOTICE.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from PIL import Image

Member = tuple[str, str, str]

# name in the folder: (package, path in its wheel, SHA-256 of the file)
PHOTOGRAPHS: dict[str, Member] = {
    "bus.jpg": (
        "ultralytics==8.4.190",
        "ultralytics/assets/bus.jpg",
        "c02019c4979c191eb739ddd944445ef408dad5679acab6fd520ef9d434bfbc63",
    ),
    "zidane.jpg": (
        "ultralytics==8.4.190",
        "ultralytics/assets/zidane.jpg",
        "16d73869e3267a7d4ed00de8e860833bd1657c1b252e94c0c348277adc7b6edb",
    ),
    "astronaut.png": (
        "scikit-image==0.26.0",
        "skimage/data/astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    ),
}
# AI-generated people, MIT: ten identities. Four pictures of each, as PNNN-kind.jpg, and four full bodies
# cut out of a sheet, as PNNN-full_view.png. The sheet's left and right views face either way.
PEOPLE = ("openpeople==0.1.2", "6faee04493aa7e3e913ba7bc720db90bb9e5f4b7e65eaaf74cd77f74c74e609f")
PEOPLE_FOLDER, NUM_PEOPLE_PICTURES = "openpeople/data/curated/", 80
VIEWS = ("full_front", "full_side_a", "full_back", "full_side_b")
# Apache-2.0. The wheels of all platforms hold the same networks.
JUDGES: dict[str, Member] = {
    f"{name}.tflite": ("mediapipe==0.10.21", f"mediapipe/modules/{folder}/{name}.tflite", sha256)
    for folder, name, sha256 in (
        (
            "pose_detection",
            "pose_detection",
            "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
        ),
        (
            "pose_landmark",
            "pose_landmark_full",
            "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        ),
        (
            "selfie_segmentation",
            "selfie_segmentation",
            "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
        ),
    )
}
# mediapipe has wheels for some Pythons only; we run none of its code, so any will do.
ANY_MACHINE = ("--python-version", "3.11", "--platform", "manylinux_2_28_x86_64")


def download(package: str, folder: Path) -> Path:
    """The wheel of one pinned package, without what it depends on."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    machine = ANY_MACHINE if package.startswith("mediapipe") else ()
    subprocess.run([*command, *machine, "--only-binary=:all:", "--dest", str(folder), package], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def check(what: str, content: bytes, sha256: str) -> bytes:
    """The content, if it is the one we know."""
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise SystemExit(f"{what} has SHA-256 {found}, expected {sha256}; do not use it")
    return content


def write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    half = path.with_name(path.name + ".part")
    half.write_bytes(content)
    half.replace(path)


def fetch(members: dict[str, Member], out: Path) -> None:
    """Single files out of wheels, those that are not there yet."""
    out.mkdir(parents=True, exist_ok=True)
    missing = {name: where for name, where in members.items() if not (out / name).exists()}
    for package in sorted({package for package, _, _ in missing.values()}):
        print(f"fetching {package} for what it ships", flush=True)
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(download(package, Path(folder))) as archive:
            for name, (origin, member, sha256) in missing.items():
                if origin == package:
                    write(out / name, check(member, archive.read(member), sha256))


def cut_sheet(content: bytes, out: Path, person: str) -> None:
    """The four full bodies of a character sheet, each inside its white frame."""
    sheet = Image.open(io.BytesIO(content)).convert("RGB")
    for index, view in enumerate(VIEWS):
        left = 0.034 + 0.2473 * index
        box = (left * sheet.width, 0.496 * sheet.height, (left + 0.189) * sheet.width, 0.908 * sheet.height)
        picture = io.BytesIO()
        sheet.crop(tuple(round(edge) for edge in box)).save(picture, "PNG")
        write(out / f"{person}-{view}.png", picture.getvalue())


def fetch_people(out: Path) -> None:
    """The pictures of openpeople, if not all are there yet."""
    if len(list(out.glob("P[0-9]*-*.[jp][pn]g"))) == NUM_PEOPLE_PICTURES:
        return
    package, sha256 = PEOPLE
    print(f"fetching {package} for its pictures", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        wheel = download(package, Path(folder))
        check(wheel.name, wheel.read_bytes(), sha256)
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                if member.startswith(PEOPLE_FOLDER) and member.endswith(".jpg"):
                    person, _, name = member.removeprefix(PEOPLE_FOLDER).split("/")
                    if name == "character_sheet.jpg":
                        cut_sheet(archive.read(member), out, person)
                    elif "sheet" not in name:
                        write(out / f"{person}-{name}", archive.read(member))


def main() -> None:
    """Fetch what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--judges", type=Path, help="also openpeople's pictures, and the judges into this folder")
    arguments = parser.parse_args()
    fetch(PHOTOGRAPHS, arguments.out)
    if arguments.judges:
        fetch_people(arguments.out)
        fetch(JUDGES, arguments.judges)


if __name__ == "__main__":
    main()
