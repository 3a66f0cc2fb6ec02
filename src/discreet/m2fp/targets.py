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
        labels: int64 [K].
        masks: bool [K, H, W].
        valid: bool [H, W]; False where the picture is not labelled.
    """

    labels: Tensor
    masks: Tensor
    valid: Tensor


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
    valid = parts != IGNORED
    if int(parts[valid].max(initial=0)) >= num_parts:
        raise DataError(f"part id {parts[valid].max()} is out of range; 0 to {num_parts - 1} and 255 are allowed")
    owners = persons if persons is not None and human else (valid & (parts > 0)).astype(np.uint8)
    if owners.shape != parts.shape:
        raise DataError(f"person map of {owners.shape} does not fit the part map of {parts.shape}; make them equal")
    # Background is one thing whoever stands before it.
    things = np.where(parts == 0, 0, owners.astype(np.int32) * 256 + parts)
    found = np.unique(things[valid])
    labels, masks = found % 256, (things == found[:, None, None]) & valid
    if human:
        ids = np.unique(owners[valid & (owners > 0)])
        labels = np.concatenate((labels, np.full(len(ids), num_parts)))
        masks = np.concatenate((masks, (owners == ids[:, None, None]) & valid))
    return Targets(
        labels=torch.from_numpy(labels.astype(np.int64)),
        masks=torch.from_numpy(masks),
        valid=torch.from_numpy(valid),
    )
