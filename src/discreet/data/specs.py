"""From a SPEC such as "cihp:data/CIHP@train" to a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from discreet.data.atr import open_atr
from discreet.data.cihp import open_cihp
from discreet.data.files import FileSource, SharedPictures, need_folder
from discreet.data.folder import open_folder
from discreet.data.hf import open_hf
from discreet.data.lip import open_lip
from discreet.data.mhp import open_mhp
from discreet.data.pascal import open_pascal
from discreet.errors import ConfigurationError
from discreet.labels import label_set

SPLITS = ("train", "val")
OPTIONS = ("labels", "order")


@dataclass(frozen=True)
class _Parsed:
    """What a SPEC says."""

    spec: str
    kind: str
    path: Path
    split: str | None
    labels: str | None
    order: str | None


def _open_folder(parsed: _Parsed) -> FileSource:
    """The folder format, whose splits are folders of their own."""
    if parsed.split is None:
        return open_folder(parsed.path, parsed.spec)
    need_folder(parsed.path, parsed.spec, f"a folder with {parsed.split}/ in it")
    wanted = f"the split {parsed.split}/; without @ the folder itself is read"
    return open_folder(need_folder(parsed.path / parsed.split, parsed.spec, wanted), parsed.spec)


_READERS: dict[str, Callable[[_Parsed], FileSource]] = {
    "cihp": lambda parsed: open_cihp(parsed.path, parsed.split, parsed.spec),
    "lip": lambda parsed: open_lip(parsed.path, parsed.split, parsed.spec),
    "atr": lambda parsed: open_atr(parsed.path, parsed.split, parsed.spec),
    "pascal": lambda parsed: open_pascal(parsed.path, parsed.split, parsed.spec, parsed.order),
    "mhp": lambda parsed: open_mhp(parsed.path, parsed.split, parsed.spec),
    "hf": lambda parsed: open_hf(parsed.path, parsed.split, parsed.spec),
    "folder": _open_folder,
    "people": _open_folder,
}
KINDS = tuple(_READERS)


def open_spec(
    spec: str, *, subject_pattern: str | None = None, shared_pictures: SharedPictures = "refuse"
) -> FileSource:
    """The data set that a SPEC names.

    Args:
        spec: KIND:PATH or KIND:PATH@SPLIT, e.g. "folder:data/ours@val"; people is the folder format as
            `discreet people` writes it. It may end with options: ?labels=cihp shows the data set in another
            label set; ?order=m2fp or ?order=schp is needed for pascal.
        subject_pattern: takes subjects from the names of pictures: a regular expression with one group.
        shared_pictures: what becomes of those with several subjects: "refuse" them where subjects are asked for,
            "drop" them, or "assign" them to the subject named first.

    Raises:
        ConfigurationError: the SPEC has another form, or its kind is unknown.
        DataError: the data set is not there, or is empty, or a name has no subject.
    """
    parsed = _parse(spec)
    source = _READERS[parsed.kind](parsed)
    if parsed.labels is not None:
        source = source.in_labels(label_set(parsed.labels))
    source = source.with_shared(shared_pictures)
    return source if subject_pattern is None else source.with_subjects(subject_pattern)


def _parse(spec: str) -> _Parsed:
    """Kind, path, split and options of a SPEC."""
    kind, colon, rest = spec.partition(":")
    place, mark, written = rest.rpartition("?")
    if not mark or "/" in written:  # a ? further up belongs to the path
        place, mark, written = rest, "", ""
    path, at, split = place.rpartition("@")
    if not at or "/" in split:  # and so does an @
        path, split = place, None
    if not colon or not kind or not path:
        raise ConfigurationError(f"data {spec!r} is not KIND:PATH or KIND:PATH@SPLIT, e.g. cihp:data/CIHP@train")
    if kind not in KINDS:
        raise ConfigurationError(f"data {spec!r}: unknown kind {kind!r}; known are {', '.join(KINDS)}")
    if split is not None and split not in SPLITS:
        raise ConfigurationError(f"data {spec!r}: the split is {split!r}; choose train or val")
    options = dict(parse_qsl(written, keep_blank_values=True))
    if (
        (mark and not options)
        or not all(options.values())
        or not set(options) <= set(OPTIONS)
        or ("order" in options and kind != "pascal")
    ):
        raise ConfigurationError(
            f"data {spec!r}: ?{written} is not understood; known are ?labels=NAME, and for pascal ?order=m2fp or schp"
        )
    return _Parsed(spec, kind, Path(path).expanduser(), split, options.get("labels"), options.get("order"))
