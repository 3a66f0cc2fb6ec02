"""discreet: human parsing that keeps its training pictures secret.

parser = discreet.load("m2fp-lite")
result = parser.parse("street.jpg")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from discreet.errors import DiscreetError

if TYPE_CHECKING:
    from discreet.loading import load as load

__version__ = "0.1.0"
__all__ = ["DiscreetError", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import `load` when it is first asked for: `import discreet` stays light."""
    if name == "load":
        from discreet.loading import load

        return load
    raise AttributeError(f"module 'discreet' has no attribute {name!r}")
