"""Per-sample clipping: one backward pass, exact norms, a sum whose sensitivity is known."""

from discreet.privacy.clipping.clipper import Clipper as Clipper

__all__ = ["Clipper"]
