"""Reading a whole data set once: what is wrong with it, and what is in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from discreet.data.samples import Problem
from discreet.data.specs import open_spec
from discreet.errors import DataError
from discreet.labels import IGNORED, LabelSet

Begin = Callable[[int], Callable[[], object]]


def _silent(total: int) -> Callable[[], object]:
    """Progress that nobody watches."""
    return lambda: None


@dataclass(frozen=True)
class DataReport:
    """What a check found. *SENSITIVE*: names and sizes of private files.

    Args:
        num_samples: pictures; 0 where the data set could not be opened.
        num_subjects: different subjects; None where no picture has one.
        label_set: None where the data set could not be opened.
        problems: one for each file and fault; empty for a sound data set.
    """

    num_samples: int
    num_subjects: int | None
    label_set: LabelSet | None
    problems: tuple[Problem, ...]

    def to_json(self) -> dict[str, Any]:
        """num_samples, num_subjects, label_set (its name), problems[{file, what}]."""
        return {
            "num_samples": self.num_samples,
            "num_subjects": self.num_subjects,
            "label_set": self.label_set.name if self.label_set else None,
            "problems": [asdict(problem) for problem in self.problems],
        }


@dataclass(frozen=True)
class DataStats:
    """Pixels of each part, over all pictures. *SENSITIVE*: exact counts, without noise.

    Args:
        num_samples: pictures.
        pixels: by part name.
        ignored: pixels without a label.
        lost: what the SPEC's ?labels= loses, a line each; see `LabelMap.losses`. *Public*
    """

    num_samples: int
    pixels: dict[str, int]
    ignored: int
    lost: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """num_samples, pixels{part}, ignored, lost[]."""
        return asdict(self)


def check_source(spec: str, *, subject_pattern: str | None = None, begin: Begin = _silent) -> DataReport:
    """Find missing, mis-sized, out-of-range, unreadable and truncated files, and name each.

    Args:
        spec: which data set.
        subject_pattern: takes subjects from the names of pictures; see `open_spec`.
        begin: given the number of pictures, returns what to call after each of them.

    Raises:
        ConfigurationError: the SPEC has another form, its kind is unknown, or the pattern makes no sense.
    """
    try:
        source = open_spec(spec, subject_pattern=subject_pattern)
    except DataError as problem:
        return DataReport(0, None, None, (Problem(spec, str(problem)),))
    problems = list(source.problems)
    advance = begin(len(source))
    for index in range(len(source)):
        problems += source.problems_of(index)
        advance()
    subjects = {subject for subject in source.subjects if subject is not None}
    return DataReport(len(source), len(subjects) or None, source.label_set, tuple(problems))


def data_stats(spec: str, *, begin: Begin = _silent) -> DataStats:
    """Count the pixels of each part.

    Raises:
        ConfigurationError: the SPEC has another form, or its kind is unknown.
        DataError: a picture cannot be read; `discreet data check` lists all that is wrong.
    """
    source = open_spec(spec)
    counts = np.zeros(256, np.int64)
    advance = begin(len(source))
    for index in range(len(source)):
        counts += np.bincount(source[index].parts.ravel(), minlength=256)
        advance()
    pixels = {name: int(counts[part]) for part, name in enumerate(source.label_set.names)}
    lost = source.translation.losses() if source.translation else ()
    return DataStats(len(source), pixels, int(counts[IGNORED]), lost)
