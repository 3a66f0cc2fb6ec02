"""From a SPEC such as "cihp:data/CIHP@train" to a data set."""

from __future__ import annotations

from pathlib import Path

from discreet.data.cihp import open_cihp
from discreet.data.files import FileSource, need_folder
from discreet.data.folder import open_folder
from discreet.data.lip import open_lip
from discreet.errors import ConfigurationError

SPLITS = ("train", "val")
KINDS = ("cihp", "lip", "folder", "people")
LATER_KINDS = ("atr", "pascal", "mhp")


def open_spec(spec: str) -> FileSource:
    """The data set that a SPEC names.

    Args:
        spec: KIND:PATH or KIND:PATH@SPLIT, e.g. "folder:data/ours@val". Kinds: cihp, lip, folder, and
            people, which is the folder format as `discreet people` writes it.

    Raises:
        ConfigurationError: the SPEC has another form, or its kind is unknown.
        DataError: the data set is not there, or is empty.
    """
    kind, path, split = _parse(spec)
    if kind == "cihp":
        return open_cihp(path, split, spec)
    if kind == "lip":
        return open_lip(path, split, spec)
    if split is None:
        return open_folder(path, spec)
    need_folder(path, spec, f"a folder with {split}/ in it")
    folder = need_folder(path / split, spec, f"the split {split}/; without @ the folder itself is read")
    return open_folder(folder, spec)


def _parse(spec: str) -> tuple[str, Path, str | None]:
    """Kind, path and split of a SPEC."""
    kind, colon, rest = spec.partition(":")
    path, at, split = rest.rpartition("@")
    if not at or "/" in split:  # an @ further up belongs to the path
        path, split = rest, None
    if not colon or not kind or not path:
        raise ConfigurationError(f"data {spec!r} is not KIND:PATH or KIND:PATH@SPLIT, e.g. cihp:data/CIHP@train")
    if kind in LATER_KINDS:
        raise ConfigurationError(
            f"data {spec!r}: {kind} comes in a later version; bring it into the folder format and use folder:PATH"
        )
    if kind not in KINDS:
        raise ConfigurationError(f"data {spec!r}: unknown kind {kind!r}; known are {', '.join(KINDS)}")
    if split is not None and split not in SPLITS:
        raise ConfigurationError(f"data {spec!r}: the split is {split!r}; choose train or val")
    return kind, Path(path).expanduser(), split
