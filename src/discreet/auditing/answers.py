"""What each kind of answer of a service gives away to whoever knows a picture and its true parts.

An overlay gives as much as a label map: who has the picture takes it off. Policies are those of `parsing.disclosure`,
in shares of the picture's longest side. One row of numbers a picture, each higher where membership is likelier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from discreet.auditing.evidence import Evidence, Table
from discreet.auditing.signals import beside_changes
from discreet.data.samples import SampleSource
from discreet.inference.parser import Parser
from discreet.labels import IGNORED, LabelSet
from discreet.m2fp import M2FP
from discreet.m2fp.torch_backend import TorchBackend
from discreet.parsing.disclosure import Disclosure, disclose
from discreet.parsing.results import ParseResult

SMOOTH_SHARE, SMALL_SHARE = 0.02, 0.25
Answers = dict[str, Table]


def _label_map(result: ParseResult, truth: NDArray[np.uint8]) -> list[float]:
    """Agreement, agreement beside changes, and mean IoU."""
    valid = truth != IGNORED
    if not valid.any():
        return [0.0, 0.0, 0.0]
    right = result.parts == truth
    band = beside_changes(torch.from_numpy(np.where(valid, truth, 0)).long()).numpy() & valid
    shares = []
    for part in np.union1d(np.unique(truth[valid]), np.unique(result.parts[valid])):
        wanted, found = (truth == part) & valid, (result.parts == part) & valid
        shares.append((wanted & found).sum() / (wanted | found).sum())
    return [float(right[valid].mean()), float(right[band if band.any() else valid].mean()), float(np.mean(shares))]


def _with_scores(result: ParseResult, truth: NDArray[np.uint8]) -> list[float]:
    """Also how sure of persons and parts it says it is."""
    persons = [person.score for person in result.persons] or [0.0]
    parts = [score for person in result.persons for score in person.part_scores.values()] or [0.0]
    return [*_label_map(result, truth), float(np.mean(persons)), float(np.min(persons)), float(np.mean(parts))]


def _coarse(result: ParseResult, truth: NDArray[np.uint8], policy: Disclosure) -> list[float]:
    """The same of what a policy leaves, beside what it would leave of the truth."""
    told = disclose(result, policy)
    known = disclose(ParseResult(truth, (), result.labels, None), policy)
    return _label_map(told, known.parts)


def _smoothed(result: ParseResult, truth: NDArray[np.uint8]) -> list[float]:
    return _coarse(result, truth, Disclosure(smooth_px=max(1, round(SMOOTH_SHARE * max(truth.shape)))))


def _small(result: ParseResult, truth: NDArray[np.uint8]) -> list[float]:
    return _coarse(result, truth, Disclosure(side_px=max(1, round(SMALL_SHARE * max(truth.shape)))))


def _names(result: ParseResult, truth: NDArray[np.uint8]) -> list[float]:
    """Parts that are there, and whether they are told."""
    valid = truth != IGNORED
    wanted, found = set(np.unique(truth[valid]).tolist()), set(np.unique(result.parts[valid]).tolist())
    return [len(wanted & found) / max(len(wanted | found), 1)]


KINDS: dict[str, Callable[[ParseResult, NDArray[np.uint8]], list[float]]] = {
    "scores": _with_scores,
    "label map": _label_map,
    "smoothed": _smoothed,
    "small": _small,
    "names": _names,
}


def answers_of(
    model: M2FP,
    source: SampleSource,
    labels: LabelSet,
    canvas: tuple[int, int],
    *,
    advance: Callable[[], object] = lambda: None,
) -> Answers:
    """A table for each kind of answer, float64 [N, K]. *SENSITIVE*

    Args:
        model: in eval mode afterwards.
        source: labelled pictures. *SENSITIVE*
        labels: of the model.
        canvas: height and width that the network sees.
        advance: called for each picture.
    """
    parser = Parser(TorchBackend(model), labels=labels, human=model.human, image_size=canvas)
    rows: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    for index in range(len(source)):
        sample = source[index]
        result = parser.parse(sample.image)
        for kind, numbers in KINDS.items():
            rows[kind].append(numbers(result, sample.parts))
        advance()
    return {kind: np.array(table) for kind, table in rows.items()}


def evidence_of_answers(
    own: Answers, reference: Answers | None, is_member: NDArray[np.bool_], owners: Sequence[str] | None
) -> dict[str, Evidence]:
    """What an attacker holds who sees only answers of one kind; of pictures, or of their owners."""
    found = {}
    for kind, table in own.items():
        evidence = Evidence(is_member, table, None if reference is None else reference[kind], np.zeros((len(table), 1)))
        found[kind] = evidence if owners is None else evidence.of_owners(owners)
    return found
