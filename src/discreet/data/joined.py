"""Several data sets of the same parts, as one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from discreet.data.samples import Sample, SampleSource
from discreet.errors import ConfigurationError


class Joined:
    """The pictures of each data set, one set after the other.

    Raises:
        ConfigurationError: their ids mean other parts.
    """

    def __init__(self, sources: Sequence[SampleSource]) -> None:
        for source in sources:
            if source.label_set.names != sources[0].label_set.names:
                raise ConfigurationError(
                    f"{source.spec} has other parts than {sources[0].spec}; ?labels=NAME at the end of either shows it "
                    "in others"
                )
        self._sources = list(sources)
        self._starts = [0, *itertools.accumulate(map(len, sources))]
        self.spec = ", ".join(source.spec for source in sources)
        self.label_set = sources[0].label_set
        self.names: Sequence[str] = [f"{source.spec}/{name}" for source in sources for name in source.names]
        self.subjects: Sequence[str | None] = [subject for source in sources for subject in source.subjects]

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> Sample:
        """Read one picture.

        Raises:
            DataError: as of its own set.
        """
        which = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self._sources[which][index - self._starts[which]]
