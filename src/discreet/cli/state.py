"""Where the state folder is: keys, checkpoints and the ledger, apart from everything handed out."""

from __future__ import annotations

import os
from pathlib import Path


def state_folder() -> Path:
    """DISCREET_STATE, or the place the system keeps for a user's state; created closed to others."""
    named = os.environ.get("DISCREET_STATE")
    base = os.environ.get("XDG_STATE_HOME")
    default = Path(base) / "discreet" if base else Path.home() / ".local" / "state" / "discreet"
    folder = Path(named) if named else default
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder.resolve()
