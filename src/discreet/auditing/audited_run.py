"""A finished run as an audit needs it: its model, its start, and what it claims."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

from discreet.auditing.audit import Audited
from discreet.errors import ConfigurationError, DataError
from discreet.m2fp import load_model
from discreet.training.release import STATEMENT_FILE
from discreet.training.settings import RunSettings, parse_settings

# Where nothing is claimed, bounds on ε are given at this δ.
_DELTA_WITHOUT_CLAIM = 1e-5


@dataclass(frozen=True)
class AuditedRun:
    """What an audit reads in a run's folder.

    Args:
        audited: model, start, claim.
        settings: of the run: they name its pictures.
    """

    audited: Audited
    settings: RunSettings


def read_audited_run(run: Path, start: Path | None) -> AuditedRun:
    """Load a run.

    Args:
        run: the folder of a complete run.
        start: the folder of its public start, or None for random weights.

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
    audited = Audited(
        model=model,
        start=None if start is None else load_model(start)[0],
        labels=info.labels,
        canvas=info.image_size,
        epsilon=guarantee.get("epsilon"),
        delta=guarantee.get("delta") or _DELTA_WITHOUT_CLAIM,
        unit="image" if settings.privacy is None else settings.privacy.unit,
    )
    return AuditedRun(audited, settings)


def run_settings(run: Path) -> RunSettings:
    """The settings that a run's folder holds.

    Raises:
        ConfigurationError: there are none, or they are damaged.
    """
    path = run / "config.toml"
    try:
        return parse_settings(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
    except FileNotFoundError:
        raise ConfigurationError(f"{path} does not exist; give the folder of a run") from None
    except ValueError as problem:
        raise ConfigurationError(f"{path} is damaged ({problem}); copy the run's folder anew") from None
