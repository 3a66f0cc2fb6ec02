"""A finished run as an audit needs it: its model, its start, and what it claims."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from discreet.auditing.audited import Audited, Canaries
from discreet.data import open_spec
from discreet.data.samples import SampleSource
from discreet.data.subset import Subset
from discreet.errors import ConfigurationError, DataError
from discreet.m2fp import M2FP, load_model
from discreet.toml_settings import checked, read_toml
from discreet.training.planted import read_planted
from discreet.training.release import STATEMENT_FILE
from discreet.training.run_folder import RUN_FILE, read_record
from discreet.training.settings import RunSettings
from discreet.training.units import units_of

# Where nothing is claimed, bounds on ε are given at this δ.
_DELTA_WITHOUT_CLAIM = 1e-5


@dataclass(frozen=True)
class Trials:
    """Who is guessed.

    Args:
        members, non_members: pictures of each kind. *SENSITIVE*
        canaries: where coins decided which is which.
    """

    members: SampleSource
    non_members: SampleSource
    canaries: Canaries | None

    @property
    def sources(self) -> list[SampleSource]:
        """Everything that an audit reads."""
        more = [] if self.canaries is None else [self.canaries.rehearsal]
        return [self.members, self.non_members, *more]


def open_trials(settings: RunSettings, run: Path, state: Path, non_members: str | None) -> Trials:
    """The run's canaries, if it has any; otherwise its training pictures, and others.

    Args:
        settings: of the run.
        run: its folder.
        state: the state folder, which knows canaries.
        non_members: a SPEC; by default the run's data.evaluate.

    Raises:
        ConfigurationError: no others are known.
        DataError: pictures are missing.
    """
    spec = non_members or settings.data.evaluate
    if spec is None:
        raise ConfigurationError(
            "the run names no pictures that it was not trained on; give --non-members SPEC, of the same pool"
        )
    data = settings.data
    members = open_spec(data.train, subject_pattern=data.subject_pattern, shared_pictures=data.shared_pictures)
    others = open_spec(spec, subject_pattern=data.subject_pattern)
    planted = read_planted(state, read_record(run / RUN_FILE).run_id) if settings.training.canaries else None
    if planted is None:
        return Trials(members, others, None)
    units = units_of(members, settings.privacy.unit if settings.privacy else "image").pictures
    inside, outside = (
        Subset(members, [picture for unit in chosen for picture in units[unit]])
        for chosen in (planted.inside, planted.outside)
    )
    return Trials(inside, outside, Canaries(planted.num_guesses, others))


def read_audited_run(run: Path, start: Path | None) -> Audited:
    """Load a run.

    Args:
        run: the folder of a complete run.
        start: the folder of its public start, or None for random weights. One that tells other parts apart says
            nothing of these, and is left out.

    Raises:
        DataError: it has no statement, or a damaged one.
        ConfigurationError: it has no settings.
        WeightsError: its weights are missing or changed.
    """
    try:
        statement = json.loads((run / STATEMENT_FILE).read_text(encoding="utf-8"))
        # Nothing is guaranteed without privacy, or under a key that anyone can guess.
        guarantee = (statement["guarantee"] if statement["private"] else None) or {}
    except FileNotFoundError:
        raise DataError(
            f"{run} holds no {STATEMENT_FILE}; audit the folder of a complete run, whose claim is known"
        ) from None
    except (ValueError, KeyError):
        raise DataError(f"{run / STATEMENT_FILE} is damaged; copy the run's folder anew") from None
    settings = run_settings(run)
    model, info = load_model(run)
    return Audited(
        model=model,
        start=None if start is None else _alike(start, model),
        labels=info.labels,
        canvas=info.image_size,
        epsilon=guarantee.get("epsilon"),
        delta=guarantee.get("delta") or _DELTA_WITHOUT_CLAIM,
        unit="image" if settings.privacy is None else settings.privacy.unit,
        model_sha256=info.sha256,
    )


def _alike(start: Path, model: M2FP) -> M2FP | None:
    """The start, if it tells as many parts apart."""
    found, _ = load_model(start)
    return found if found.num_classes == model.num_classes else None


def run_settings(run: Path) -> RunSettings:
    """The settings that a run's folder holds.

    Raises:
        ConfigurationError: there are none, or they are damaged.
    """
    path = run / "config.toml"
    return checked(RunSettings, read_toml(path, "give the folder of a run"), str(path))
