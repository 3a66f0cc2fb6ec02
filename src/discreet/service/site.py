"""The page's files, read once at the start and answered from memory: a request never chooses a path."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from discreet.errors import ConfigurationError
from discreet.inference.faces import detector_file
from discreet.inference.models import web_folder

# Vite puts a hash of the content into these files' names.
_NAMED_BY_CONTENT = "assets/"
_TYPES = {
    ".wasm": "application/wasm",
    ".mjs": "text/javascript",
    ".js": "text/javascript",
    ".onnx": "application/octet-stream",
}


@dataclass(frozen=True)
class PageFile:
    """One file of the page. *Public*

    Args:
        content: as it is sent.
        media_type: of the content.
        cache_control: how long browsers may keep it.
        tag: changes with the content.
    """

    content: bytes
    media_type: str
    cache_control: str
    tag: str


def page_files() -> dict[str, PageFile]:
    """Every file of the page by its path below /static/, and "index.html".

    Raises:
        ConfigurationError: the page was not built.
    """
    root = Path(str(files("discreet") / "service" / "static"))
    if not (root / "index.html").is_file():
        raise ConfigurationError("the page is not built; run `make web`, or install the package anew")
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    found["models/faces.onnx"] = detector_file()
    folder = web_folder("m2fp-lite")
    found |= {f"models/parser/{path.name}": path for path in folder.iterdir() if path.is_file()}
    return {name: _read(name, path) for name, path in found.items()}


def _read(name: str, path: Path) -> PageFile:
    """One file and how it is sent."""
    content = path.read_bytes()
    guessed = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    kept = "public, max-age=31536000, immutable" if name.startswith(_NAMED_BY_CONTENT) else "no-cache"
    return PageFile(content, guessed, kept, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
