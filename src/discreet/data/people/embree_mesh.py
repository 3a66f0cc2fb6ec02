"""A mesh into an Embree scene, copied as a whole.

embreex copies number by number through Python, which takes longer than everything Embree does with the mesh. So
the same calls are made here, to the Embree library that embreex has loaded. The scene's handle is read from
embreex's object, whose layout is proven once a process; where it is another, embreex copies.

Shapes: V vertices, F faces.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int32]

_TRIANGLES = 0
_INDICES, _VERTICES = 0, 1
_THREE_INTS, _THREE_FLOATS = 0x5003, 0x9003
_WORD = ctypes.sizeof(ctypes.c_void_p)


def add_mesh(scene: Any, vertices: Floats, faces: Ints) -> None:
    """Give an EmbreeScene its only mesh, float32 [V, 3] and int32 [F, 3]."""
    library = _library()
    if library is None:
        from embreex.mesh_construction import TriangleMesh

        TriangleMesh(scene, vertices, faces)
        return
    handle = _words(scene)[2]
    device = library.rtcGetSceneDevice(handle)
    geometry = library.rtcNewGeometry(device, _TRIANGLES)
    # Embree reads vertices four floats at a time.
    _copy(library, geometry, (_VERTICES, _THREE_FLOATS), np.pad(vertices.astype(np.float32), ((0, 0), (0, 1))))
    _copy(library, geometry, (_INDICES, _THREE_INTS), faces.astype(np.int32))
    library.rtcCommitGeometry(geometry)
    library.rtcAttachGeometry(handle, geometry)
    library.rtcReleaseGeometry(geometry)
    library.rtcReleaseDevice(device)


def _copy(library: ctypes.CDLL, geometry: int, kind: tuple[int, int], rows: NDArray[Any]) -> None:
    """Rows of numbers into a new buffer of a geometry."""
    rows = np.ascontiguousarray(rows)
    buffer = library.rtcSetNewGeometryBuffer(geometry, kind[0], 0, kind[1], rows.strides[0], len(rows))
    if not buffer:
        raise MemoryError("Embree has no memory for a mesh")
    ctypes.memmove(buffer, rows.ctypes.data, rows.nbytes)


def _words(scene: Any) -> Any:
    """An EmbreeScene in memory: count of references, type, handle, is_committed, device."""
    return (ctypes.c_size_t * 5).from_address(id(scene))


@cache
def _library() -> ctypes.CDLL | None:
    """Embree with its signatures; None unless every word of embreex's objects is what it should be."""
    from embreex.rtcore import EmbreeDevice

    module = import_module("embreex.rtcore_scene")
    device = EmbreeDevice()
    scene = module.EmbreeScene(device)
    if type(scene).__basicsize__ != 5 * _WORD or type(device).__basicsize__ != 3 * _WORD or _WORD != 8:
        return None
    words = _words(scene)
    if words[1] != id(type(scene)) or words[4] != id(device) or words[3] & 0xFFFFFFFF:
        return None
    scene.is_committed = 1
    committed = words[3] & 0xFFFFFFFF
    scene.is_committed = 0
    try:
        library = _signed(ctypes.CDLL(module.__file__))
    except (OSError, AttributeError):
        return None
    if committed != 1 or not words[2]:
        return None
    found = library.rtcGetSceneDevice(words[2])
    library.rtcReleaseDevice(found)
    return library if found == (ctypes.c_size_t * 3).from_address(id(device))[2] else None


def _signed(library: ctypes.CDLL) -> ctypes.CDLL:
    """The library, whose functions know what they take and give."""
    handle, number, size = ctypes.c_void_p, ctypes.c_uint, ctypes.c_size_t
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "rtcGetSceneDevice": (handle, [handle]),
        "rtcNewGeometry": (handle, [handle, number]),
        "rtcSetNewGeometryBuffer": (handle, [handle, number, number, number, size, size]),
        "rtcCommitGeometry": (None, [handle]),
        "rtcAttachGeometry": (number, [handle, handle]),
        "rtcReleaseGeometry": (None, [handle]),
        "rtcReleaseDevice": (None, [handle]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
