"""Several runs under one budget: the same training at several learning rates, of which the best is released.

To the accountant they are one run of all their steps together, so ε covers everything that any of them releases.
Which is best is told by `data.evaluate` alone, never by the pictures they were trained on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from discreet.data import open_spec
from discreet.data.samples import SampleSource
from discreet.errors import ConfigurationError
from discreet.privacy.ledger import Ledger
from discreet.training.private_data import picture_bytes, subject_bytes
from discreet.training.run_folder import write_text
from discreet.training.settings import RunSettings
from discreet.training.surroundings import Progress

TRIALS_FILE = "trials.json"
# The lowest and the highest learning rate are this many times apart from the one in the settings.
SPREAD = 2.0


@dataclass
class Trial:
    """One of the runs.

    Args:
        learning_rate: its own.
        miou: on `data.evaluate`.
        chosen: whether it is the one that was released.
    """

    learning_rate: float
    miou: float
    chosen: bool = False


def learning_rates(settings: RunSettings) -> list[float]:
    """Evenly spread by their logarithms around the one in the settings; that one alone for a single trial."""
    middle, count = settings.training.learning_rate, settings.training.trials
    if count == 1:
        return [middle]
    return [middle * SPREAD ** (2 * index / (count - 1) - 1) for index in range(count)]


def with_learning_rate(settings: RunSettings, learning_rate: float) -> RunSettings:
    """The settings of one trial."""
    return settings.model_copy(
        update={"training": settings.training.model_copy(update={"learning_rate": learning_rate})}
    )


def check_held_out(settings: RunSettings, ledger: Ledger, private: Sequence[bytes], progress: Progress) -> None:
    """What a private run is measured on, and trials are chosen by, is not what it learns from.

    Metrics lie in the run's folder without noise: of training pictures they would be no part of what ε
    holds for. Other pictures of protected subjects may be measured on, which the ledger notes, but may
    not choose. A run without privacy may measure itself on anything.

    Args:
        settings: of the run.
        ledger: knows fingerprints.
        private: fingerprints of the training pictures, and of their subjects where these are the unit.
        progress: shows how far it has read.

    Raises:
        ConfigurationError: trials have none, or some of them are trained on.
    """
    if settings.training.trials == 1 and (settings.privacy is None or settings.data.evaluate is None):
        return
    if settings.data.evaluate is None:
        raise ConfigurationError(
            f"the best of {settings.training.trials} trials is chosen by data.evaluate, which is not set; name public "
            "pictures there, or train without --trials"
        )
    held_out = open_spec(settings.data.evaluate)
    chooses = settings.training.trials > 1
    subjects = subject_bytes(_subjects(held_out, settings.data.subject_pattern)) if chooses else ()
    with progress("read every held-out picture once", len(held_out)) as advance:
        found = ledger.fingerprint([*picture_bytes(held_out, advance=advance), *subjects])
    if set(found) & set(private):
        raise ConfigurationError(
            f"data.evaluate ({settings.data.evaluate}) shares pictures or protected subjects with data.train; "
            f"{'choosing by' if chooses else 'measuring on'} them would cost privacy that nobody accounts for: "
            "name other pictures"
        )


def _subjects(chosen_by: SampleSource, pattern: str | None) -> list[str]:
    """Who is known to be on pictures to choose by, found as in the training pictures; names may tell nothing here."""
    if pattern is None:
        return [subject for subject in chosen_by.subjects if subject is not None]
    return [found.group(1) for found in (re.match(pattern, name) for name in chosen_by.names) if found is not None]


class Contest:
    """Trials as they end, and the weights of the best so far."""

    def __init__(self) -> None:
        self.trials: list[Trial] = []
        self._best: Mapping[str, Tensor] = {}

    def enter(self, learning_rate: float, miou: float, weights: Mapping[str, Tensor]) -> None:
        """A trial has ended; of equals, the first stays ahead."""
        if not self.trials or miou > max(trial.miou for trial in self.trials):
            for trial in self.trials:
                trial.chosen = False
            self._best = {name: tensor.detach().clone() for name, tensor in weights.items()}
            self.trials.append(Trial(learning_rate, miou, chosen=True))
        else:
            self.trials.append(Trial(learning_rate, miou))

    @property
    def winner(self) -> Mapping[str, Tensor]:
        """Weights of the best, by name."""
        return self._best

    def write(self, out: Path) -> None:
        """Tell of all of them in the run's folder."""
        write_text(out / TRIALS_FILE, json.dumps([asdict(trial) for trial in self.trials], indent=1) + "\n")
