"""What the network should say of a picture: one mask for each thing, and its class.

Shapes: K targets, H W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from discreet.errors import DataError
from discreet.labels import IGNORED


@dataclass(frozen=True)
class Targets:
    """Masks of one picture. *SENSITIVE*

    Args:
        labels: int64 [K], on the CPU.
        masks: bool [K, H, W].
        valid: bool [H, W]; False where the picture is not labelled.
    """

    labels: Tensor
    masks: Tensor
    valid: Tensor


@dataclass(frozen=True)
class Things:
    """What there is in a picture, before masks are drawn of it: small enough to travel between processes. *SENSITIVE*

    Args:
        parts: int16 [H, W]; which part of which person a pixel is, or the background; -1 where it is not labelled.
        people: int16 [H, W]; which person it is, -1 where it is nobody's.
        labels: int64 [K], of the parts, then of the persons.
        num_people: how many of the labels are persons.
    """

    parts: NDArray[np.int16]
    people: NDArray[np.int16]
    labels: NDArray[np.int64]
    num_people: int

    def targets(self, device: torch.device | str = "cpu") -> Targets:
        """The masks, drawn where they are needed."""
        parts, people = torch.from_numpy(self.parts).to(device), torch.from_numpy(self.people).to(device)
        which = torch.arange(len(self.labels) - self.num_people, dtype=torch.int16, device=device)
        masks = parts == which[:, None, None]
        if self.num_people:
            who = torch.arange(self.num_people, dtype=torch.int16, device=device)
            masks = torch.cat((masks, people == who[:, None, None]))
        return Targets(torch.from_numpy(self.labels), masks, parts >= 0)


def things_of(parts: NDArray[np.uint8], persons: NDArray[np.uint8] | None, *, num_parts: int, human: bool) -> Things:
    """The background, every part of every person, and every whole person; see `make_targets`."""
    valid = parts != IGNORED
    if int(parts[valid].max(initial=0)) >= num_parts:
        raise DataError(f"part id {parts[valid].max()} is out of range; 0 to {num_parts - 1} and 255 are allowed")
    owners = persons if persons is not None and human else (valid & (parts > 0)).astype(np.uint8)
    if owners.shape != parts.shape:
        raise DataError(f"person map of {owners.shape} does not fit the part map of {parts.shape}; make them equal")
    # Background is one thing whoever stands before it.
    found, part_map = _numbered(np.where(parts == 0, 0, owners.astype(np.int32) * 256 + parts), valid)
    people, people_map = _numbered(owners, valid & (owners > 0) & human)
    labels = np.concatenate((found % 256, np.full(len(people), num_parts)))
    return Things(part_map, people_map, labels.astype(np.int64), len(people))


def _numbered(keys: NDArray[np.integer], where: NDArray[np.bool_]) -> tuple[NDArray[np.integer], NDArray[np.int16]]:
    """The keys there are in some pixels, and which of them each pixel has, -1 in the others."""
    found = np.unique(keys[where])
    return found, np.where(where, np.searchsorted(found, keys), -1).astype(np.int16)


def make_targets(
    parts: NDArray[np.uint8], persons: NDArray[np.uint8] | None, *, num_parts: int, human: bool
) -> Targets:
    """The background, every part of every person, and every whole person.

    Args:
        parts: [H, W], part ids; 255 is ignored. *SENSITIVE*
        persons: [H, W], 0 = nobody; None: all parts are of one person. *SENSITIVE*
        num_parts: of the label set, background included. *Public*
        human: multi-person: whole persons are targets of class `num_parts`, and parts are separate for
            each person. Otherwise there is one mask a part, and persons are not looked at. *Public*

    Raises:
        DataError: a part id is out of range, or the two maps differ in size.
    """
    return things_of(parts, persons, num_parts=num_parts, human=human).targets()
