"""Where the state folder is: keys, checkpoints and the ledger, apart from everything handed out."""

from __future__ import annotations

import os
from pathlib import Path

from discreet.errors import ConfigurationError


def state_folder() -> Path:
    """DISCREET_STATE, or the place the system keeps for a user's state; created closed to others.

    Raises:
        ConfigurationError: no folder can be there.
    """
    folder = _place()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as problem:
        raise ConfigurationError(
            f"{folder} cannot be the state folder ({problem.strerror}); set DISCREET_STATE to a folder you can write"
        ) from None
    return folder.resolve()


def is_open_to_others() -> bool:
    """Whether a state folder that is there lets others look into it: one that was made beforehand keeps its mode."""
    folder = _place()
    return folder.is_dir() and bool(folder.stat().st_mode & 0o077)


def _place() -> Path:
    named = os.environ.get("DISCREET_STATE")
    base = os.environ.get("XDG_STATE_HOME")
    default = Path(base) / "discreet" if base else Path.home() / ".local" / "state" / "discreet"
    return Path(named) if named else default


def note_leaving(folder: Path) -> None:
    """Weights of a folder leave: the ledger of this state folder knows first, or forbids it.

    Raises:
        BudgetError: they were trained without privacy on pictures that a cap protects.
        LedgerError: the ledger is lost.
    """
    from discreet.privacy.ledger import Ledger
    from discreet.training.release import note_leaving as note
    from discreet.training.run import LEDGER_FILE

    book = state_folder() / LEDGER_FILE
    if Ledger.is_at(book):
        with Ledger.open(book) as ledger:
            note(folder, ledger)
