"""Members and others, by lot: who is a trial, and who is only rehearsed on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from discreet.auditing.audited import Audited, Canaries
from discreet.data.samples import SampleSource, require_subjects
from discreet.data.subset import Subset
from discreet.errors import DataError, WeightsError
from discreet.training.surroundings import Progress

LEAST_TRIALS = 20
# Non-members that the over-fitted copy is made with and tried on: so many at least, and at most.
LEAST_REHEARSAL, MOST_REHEARSAL = 32, 48


@dataclass(frozen=True)
class Pool:
    """Pictures of one pool. *SENSITIVE*

    Args:
        inside, outside: trials.
        reserved: to rehearse on, and no trials.
        owners: whose each trial is, "+" before members and "-" before others; None where pictures are the unit.
    """

    inside: SampleSource
    outside: SampleSource
    reserved: SampleSource
    owners: list[str] | None

    @property
    def names(self) -> list[str]:
        """Of the trials: pictures, or their owners."""
        if self.owners is None:
            return [*self.inside.names, *self.outside.names]
        return [owner[1:] for owner in sorted(set(self.owners))]


def draw_pool(
    audited: Audited,
    members: SampleSource,
    non_members: SampleSource,
    canaries: Canaries | None,
    at_most: int | None,
    seed: int,
    progress: Progress,
) -> Pool:
    """Who is a trial, by lot.

    Raises:
        DataError: too few pictures, some that are both, other parts than the model's, or no subjects where these
            are the unit.
        WeightsError: the start tells other parts apart.
    """
    _check(audited, members, non_members, canaries)
    rng = np.random.default_rng(seed)
    reserved, others = _apart(non_members, rng) if canaries is None else (canaries.rehearsal, non_members)
    inside, outside = (Subset(source, _drawn(len(source), at_most, rng)) for source in (members, others))
    require_enough(len(inside), len(outside), "image")
    with progress("compare members with non-members", len(inside) + len(outside)) as advance:
        _refuse_overlap(inside, outside, advance)
    owners = _owners(inside, outside) if audited.unit == "subject" else None
    return Pool(inside, outside, reserved, owners)


def require_enough(num_members: int, num_non_members: int, unit: str) -> None:
    """Refuse what would show nothing.

    Raises:
        DataError: too few trials of a kind.
    """
    if min(num_members, num_non_members) < LEAST_TRIALS:
        raise _too_few(num_members, num_non_members, unit)


def _check(audited: Audited, members: SampleSource, non_members: SampleSource, canaries: Canaries | None) -> None:
    """Refuse what can be refused before a picture is read."""
    for source in (members, non_members):
        if source.label_set.names != audited.labels.names:
            raise DataError(
                f"{source.spec} has the parts of {source.label_set.name!r}, the model those of "
                f"{audited.labels.name!r}; audit with pictures labelled as the training ones"
            )
    spare = LEAST_REHEARSAL if canaries is None else 0
    if min(len(members), len(non_members) - spare) < LEAST_TRIALS:
        raise _too_few(len(members), len(non_members), "image")
    if canaries is not None and len(canaries.rehearsal) < LEAST_REHEARSAL:
        raise DataError(
            f"{len(canaries.rehearsal)} pictures that are no canaries are too few to rehearse on; give "
            f"{LEAST_REHEARSAL} with --non-members, or with data.evaluate"
        )
    if audited.start is not None and audited.start.num_classes != audited.model.num_classes:
        raise WeightsError("the public start tells other parts apart than the model; audit without a start")


def _too_few(num_members: int, num_non_members: int, unit: str) -> DataError:
    return DataError(
        f"{num_members} members and {num_non_members} non-members ({unit}s) show nothing; give at least "
        f"{LEAST_TRIALS} members and {LEAST_TRIALS + LEAST_REHEARSAL} others, and some hundreds for rates of 1 %"
    )


def _drawn(count: int, at_most: int | None, rng: np.random.Generator) -> list[int]:
    """All, or as many as wanted by lot, in their order."""
    if at_most is None or at_most >= count:
        return list(range(count))
    return sorted(rng.choice(count, at_most, replace=False).tolist())


def _apart(source: SampleSource, rng: np.random.Generator) -> tuple[SampleSource, SampleSource]:
    """Pictures for the rehearsal, drawn by lot, and the rest: what an attack learned from is no trial."""
    count = min(max(len(source) // 4, LEAST_REHEARSAL), MOST_REHEARSAL)
    order = rng.permutation(len(source))
    return Subset(source, sorted(order[:count].tolist())), Subset(source, sorted(order[count:].tolist()))


def _refuse_overlap(inside: SampleSource, outside: SampleSource, advance: Callable[..., None]) -> None:
    """A picture that is both is neither."""

    def prints(source: SampleSource) -> set[bytes]:
        found = set()
        for index in range(len(source)):
            found.add(hashlib.sha256(source[index].image.tobytes()).digest())
            advance()
        return found

    shared = len(prints(inside) & prints(outside))
    if shared:
        raise DataError(
            f"{shared} pictures of {outside.spec} are members, too; name pictures that the model was not trained on"
        )


def _owners(inside: SampleSource, outside: SampleSource) -> list[str]:
    """Whose each picture is, after "+" for members and "-" for others; one who is both would be a trial of neither."""
    owners = [f"{kind}{owner}" for kind, s in (("+", inside), ("-", outside)) for owner in require_subjects(s)]
    mixed = {owner[1:] for owner in owners if owner[0] == "+"} & {owner[1:] for owner in owners if owner[0] == "-"}
    if mixed:
        raise DataError(
            f"{len(mixed)} subjects are members and non-members; name pictures of others than those trained on"
        )
    return owners
