"""What rays hit: Embree where it is installed, numpy where it is not.

Shapes: V vertices, F faces, N rays.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.embree_mesh import add_mesh
from discreet.data.people.numpy_caster import NumpyCaster
from discreet.errors import ConfigurationError, DependencyError

Floats = NDArray[np.floating]
Ints = NDArray[np.int32]

CASTERS = ("embree", "numpy")


class Caster(Protocol):
    """A mesh that answers for rays."""

    def first_hits(self, origin: Floats, directions: Floats) -> tuple[Ints, Floats]:
        """The face each ray from one origin [3] hits first, or -1, [N]; and the hit's weights of its corners, [N, 3].

        The rays lie within less than a right angle of their mean, as those of a picture do.
        """
        ...

    def blocked(self, origins: Floats, directions: Floats, reach: float) -> NDArray[np.bool_]:
        """Whether something lies within reach along each ray [N]; all rays are free to start and point anywhere."""
        ...


class EmbreeCaster:
    """Exact hits and exact shadows."""

    def __init__(self, vertices: Floats, faces: Ints) -> None:
        from embreex.rtcore_scene import EmbreeScene

        self._scene: Any = EmbreeScene()
        add_mesh(self._scene, vertices, faces)

    def first_hits(self, origin: Floats, directions: Floats) -> tuple[Ints, Floats]:
        """See Caster."""
        origins = np.broadcast_to(np.float32(origin), directions.shape).copy()
        hits = self._scene.run(origins, directions, query="INTERSECT", output=True)
        second, third = hits["u"], hits["v"]
        return hits["primID"], np.stack([1 - second - third, second, third], 1)

    def blocked(self, origins: Floats, directions: Floats, reach: float) -> NDArray[np.bool_]:
        """See Caster."""
        reaches = np.full(len(origins), reach, np.float32)
        return self._scene.run(origins, directions, reaches, query="OCCLUDED") != -1


def choose_caster(name: str | None = None) -> str:
    """The name of the caster to render with: the one asked for, else Embree where it is installed, else numpy.

    Raises:
        ConfigurationError: the name is none of CASTERS.
        DependencyError: Embree is asked for and not installed.
    """
    installed = _embree_loads()
    if name is None:
        return "embree" if installed else "numpy"
    if name not in CASTERS:
        raise ConfigurationError(f"caster is {name!r}; choose one of {', '.join(CASTERS)}")
    if name == "embree" and not installed:
        raise DependencyError("caster 'embree' needs embreex: pip install 'discreet[people]', or choose 'numpy'")
    return name


def _embree_loads() -> bool:
    """Whether embreex is there and fits this machine."""
    try:
        import embreex.rtcore_scene  # noqa: F401
    except ImportError:
        return False
    return True


def make_caster(name: str, vertices: Floats, faces: Ints) -> Caster:
    """A caster by its name, of a mesh float32 [V, 3], int32 [F, 3]."""
    return EmbreeCaster(vertices, faces) if name == "embree" else NumpyCaster(vertices, faces)
