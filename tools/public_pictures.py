"""Generated pictures that public weights learn from and are measured on, made where they are missing."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from discreet.data import open_spec
from discreet.data.joined import Joined
from discreet.data.people import generate_people
from discreet.data.people.data_set import GENERATOR_VERSION
from discreet.data.places import BeforePlaces
from discreet.data.samples import SampleSource


class Section(BaseModel):
    """A table of a recipe: what it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Pictures(Section):
    """A generated set; see `discreet people`."""

    style: str
    count: int
    size: int
    seed: int
    face_masks: float


def replace_masks(wanted: Pictures, face_masks: float) -> Pictures:
    """The same pictures with more or fewer faces masked."""
    return wanted.model_copy(update={"face_masks": face_masks})


def picture_weights(source: SampleSource, cache: Path) -> NDArray[np.float64]:
    """How often each picture should come; counted once and kept, by processes beside one another, too."""
    if not cache.exists():
        present = np.zeros((len(source), len(source.label_set)), bool)
        for index in range(len(source)):
            parts = np.unique(source[index].parts)
            present[index, parts[parts < len(source.label_set)]] = True
        share = np.maximum(present.mean(0), 1e-3)
        with tempfile.NamedTemporaryFile(dir=cache.parent, suffix=".npy", delete=False) as part:
            np.save(part, (present / np.sqrt(share)).max(1))
        Path(part.name).replace(cache)
    return np.load(cache)


def pictures(sets: Sequence[Pictures], work: Path, workers: int, generator: int) -> Joined:
    """The generated sets, made where they are missing; all of one version of the generator."""
    sources = []
    for wanted in sets:
        name = f"{wanted.style}-{wanted.seed}-{wanted.count}-{wanted.size}-{wanted.face_masks:g}"
        folder = work / "pictures" / name
        if not (folder / "labels.json").exists():
            if generator != GENERATOR_VERSION:
                raise SystemExit(
                    f"{folder} is missing, and the recipe's pictures are of generator version {generator}, not "
                    f"{GENERATOR_VERSION}; make them with the code of then, or write `generator = {GENERATOR_VERSION}`"
                )
            print(f"{wanted.count} pictures of {wanted.style} into {folder}", flush=True)
            generate_people(
                folder, style=wanted.style, count=wanted.count, size_px=wanted.size, seed=wanted.seed,
                face_masks=wanted.face_masks, workers=workers, resume=True,
            )  # fmt: skip
        made_by = json.loads((folder / "people.json").read_text())["generator"]
        if made_by != generator:
            raise SystemExit(
                f"{folder} is of generator version {made_by}, not {generator}; move it, or name another --work"
            )
        sources.append(open_spec(f"people:{folder}"))
    return Joined(sources)


def training_pictures(
    sets: Sequence[Pictures], work: Path, workers: int, generator: int, places: Path, *, before_places: bool
) -> Joined:
    """The sets, and, if so wanted, the same people before places."""
    drawn = pictures(sets, work, workers, generator)
    return Joined([drawn, BeforePlaces(drawn, places, seed=7)]) if before_places else drawn
