"""Before step 0: read every picture once, refuse what is wrong, and know the set by fingerprints.

An unreadable picture in the middle of a run must not stop it, because the message would say that
the picture was sampled. So all of them are read first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from discreet.data.samples import SampleSource
from discreet.errors import DataError


def picture_bytes(source: SampleSource, *, advance: Callable[[], object] = lambda: None) -> Iterator[bytes]:
    """What identifies each picture, however its file is named or packed: its size and pixels. *SENSITIVE*

    Raises:
        DataError: the data set is empty, or a picture or its labels cannot be read.
    """
    if len(source) == 0:
        raise DataError(f"{source.spec} holds no picture; check the path and the split")
    for index in range(len(source)):
        image = source[index].image
        yield repr(image.shape).encode() + image.tobytes()
        advance()


def subject_bytes(subjects: Iterable[str]) -> list[bytes]:
    """What identifies each subject, so that one who comes back on new pictures is recognised. *SENSITIVE*"""
    return [f"subject {subject}".encode() for subject in sorted(set(subjects))]
