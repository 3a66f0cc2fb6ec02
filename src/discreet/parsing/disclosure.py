"""What detail of a result leaves: a mask as fine as the picture can say who it is; a coarse one says what is worn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from discreet.errors import ConfigurationError
from discreet.parsing.results import ParseResult, Person, box_around


@dataclass(frozen=True)
class Disclosure:
    """How much is disclosed. *Public*

    Args:
        side_px: longest side of what is answered; 0 leaves it as it is.
        smooth_px: radius over which contours are smoothed: what is thinner goes; 0 leaves them.
        label_only: masks are not to be shown at all; whoever draws the answer heeds it.

    Raises:
        ConfigurationError: a length is negative.
    """

    side_px: int = 0
    smooth_px: int = 0
    label_only: bool = False

    def __post_init__(self) -> None:
        if self.side_px < 0 or self.smooth_px < 0:
            raise ConfigurationError(f"side_px is {self.side_px} and smooth_px {self.smooth_px}; 0 or more are allowed")


def disclose(result: ParseResult, policy: Disclosure) -> ParseResult:
    """The result with no more detail than the policy allows; parts, persons and picture agree.

    Args:
        result: of parsing. *SENSITIVE*
        policy: applied in order: smaller, then smoother.
    """
    zoom = policy.side_px / max(result.parts.shape) if policy.side_px else 1.0
    if zoom < 1.0:
        result = _smaller(result, zoom)
    if policy.smooth_px:
        result = _smoother(result, policy.smooth_px)
    return result


def _smaller(result: ParseResult, zoom: float) -> ParseResult:
    """Every map and the picture at another size."""
    height, width = (max(1, round(side * zoom)) for side in result.parts.shape)
    rows = np.minimum(
        ((np.arange(height) + 0.5) / height * result.parts.shape[0]).astype(int), result.parts.shape[0] - 1
    )
    columns = np.minimum(
        ((np.arange(width) + 0.5) / width * result.parts.shape[1]).astype(int), result.parts.shape[1] - 1
    )
    grid = np.ix_(rows, columns)
    image = result.image
    if image is not None:
        image = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))
    return _rebuilt(result, result.parts[grid], result.person_ids()[grid], image)


def _smoother(result: ParseResult, radius_px: int) -> ParseResult:
    """Each pixel takes the part, and then the person, that most of its neighbourhood has."""
    parts = _majority(result.parts, radius_px)
    ids = _majority(result.person_ids(), radius_px)
    return _rebuilt(result, parts, np.where(parts > 0, ids, 0), result.image)


def _rebuilt(
    result: ParseResult, parts: NDArray[np.uint8], ids: NDArray[np.uint16], image: NDArray[np.uint8] | None
) -> ParseResult:
    """Persons of new maps; who has vanished is no longer told."""
    persons = []
    for number, person in enumerate(result.persons, start=1):
        mask = ids == number
        own = np.where(mask, parts, 0).astype(np.uint8)
        if not own.any():
            continue
        kept = {part: score for part, score in person.part_scores.items() if (own == part).any()}
        persons.append(Person(person.score, box_around(mask), mask, own, kept))
    return ParseResult(parts, tuple(persons), result.labels, image)


def _majority(ids: NDArray[Any], radius_px: int) -> NDArray[Any]:
    """The commonest id of the square around each pixel; the smallest of several."""
    winner = np.zeros_like(ids)
    most = np.full(ids.shape, -1, np.int32)
    for value in np.unique(ids):
        votes = _box_sums(ids == value, radius_px)
        better = votes > most
        winner[better] = value
        most[better] = votes[better]
    return winner


def _box_sums(mask: NDArray[np.bool_], radius_px: int) -> NDArray[np.int32]:
    """How many pixels of the square around each pixel are set."""
    sums = mask.astype(np.int32)
    for axis in (0, 1):
        length = sums.shape[axis]
        running = np.concatenate((np.zeros_like(np.take(sums, [0], axis)), np.cumsum(sums, axis)), axis)
        places = np.arange(length)
        upper = np.minimum(places + radius_px + 1, length)
        lower = np.maximum(places - radius_px, 0)
        sums = np.take(running, upper, axis) - np.take(running, lower, axis)
    return sums
