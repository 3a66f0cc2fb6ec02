"""Some pictures of a data set, as a data set."""

from __future__ import annotations

from collections.abc import Sequence

from discreet.data.samples import Sample, SampleSource


class Subset:
    """The pictures at some indices, in that order."""

    def __init__(self, source: SampleSource, indices: Sequence[int]) -> None:
        self._source, self._indices = source, list(indices)
        self.spec, self.label_set = source.spec, source.label_set
        self.names: Sequence[str] = [source.names[index] for index in self._indices]
        self.subjects: Sequence[str | None] = [source.subjects[index] for index in self._indices]

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        """Read one picture.

        Raises:
            DataError: as of the whole set.
        """
        return self._source[self._indices[index]]
