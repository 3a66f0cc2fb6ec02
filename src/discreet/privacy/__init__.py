"""The guarantee: plan, accounting, sampling, clipping, noise, keys and ledger.

Knows nothing of pictures or of M2FP. Importing it loads no torch; `Clipper` does, when it
is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from discreet.privacy.clipping import Clipper as Clipper
    from discreet.privacy.keys import RunKey as RunKey
    from discreet.privacy.ledger import Ledger as Ledger
    from discreet.privacy.plan import PrivacyPlan as PrivacyPlan

_HOMES = {
    "Clipper": "discreet.privacy.clipping",
    "Ledger": "discreet.privacy.ledger",
    "PrivacyPlan": "discreet.privacy.plan",
    "RunKey": "discreet.privacy.keys",
}
__all__ = ["Clipper", "Ledger", "PrivacyPlan", "RunKey"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'discreet.privacy' has no attribute {name!r}")
