"""May a network be served instead of the current one? Every limit is looked at, and each answer has its reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from discreet.auditing.card import read_object
from discreet.auditing.result import LEAK, NO_LEAK
from discreet.data.samples import SampleSource
from discreet.data.subset import Subset
from discreet.defences.timing import in_turns
from discreet.errors import DataError
from discreet.export.evidence import AUDIT_PLACE
from discreet.export.limits import AuditLimits, LatencyLimits, Limits, PrivacyLimits, QualityLimits
from discreet.inference.exported import digest_of, is_exported, read_exported
from discreet.inference.parser import Parser
from discreet.m2fp.weights import DESCRIPTION_FILE
from discreet.training.evaluation import accumulate
from discreet.training.metrics import resampled_miou
from discreet.training.release import STATEMENT_FILE
from discreet.training.surroundings import Progress

_TIMED_PICTURES, _TIMED_ROUNDS, _RESAMPLES = 6, 5, 2000


@dataclass(frozen=True)
class Contender:
    """A network that could be served, and what is known of it.

    Args:
        folder: of the network.
        parser: that runs it.
        digest: SHA-256 of its description, which holds the hashes of all its files.
        weights_sha256: of the PyTorch weights that it is, or was made from.
        statement, audit: as in its folder, if they are there.
    """

    folder: Path
    parser: Parser
    digest: str
    weights_sha256: str
    statement: dict[str, Any] | None
    audit: dict[str, Any] | None


@dataclass(frozen=True)
class Check:
    """One limit. measured is None where nothing is known."""

    name: str
    limit: float | str
    measured: float | str | None
    passed: bool
    why: str


def read_contender(folder: Path, parser: Parser) -> Contender:
    """What is known of the network in a folder: a run's, or an exported one.

    Raises:
        WeightsError: files of an exported network were changed.
        DataError: statement or audit are damaged.
    """
    if is_exported(folder):
        weights = read_exported(folder).made_from
    else:
        weights = json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))["sha256"]
    statement, audit = read_object(folder / STATEMENT_FILE), read_object(folder / AUDIT_PLACE)
    return Contender(folder, parser, digest_of(folder), weights, statement, audit)


def checks_of(
    candidate: Contender, current: Contender, limits: Limits, source: SampleSource | None, progress: Progress
) -> list[Check]:
    """Everything that LIMITS.toml asks for.

    Args:
        candidate: that is to be served.
        current: that is served.
        limits: to meet.
        source: labelled pictures; None where nothing is measured. *SENSITIVE* unless they are public
        progress: shows bars.

    Raises:
        DataError: the pictures show other parts than a network tells apart, or statement or audit are damaged.
    """
    found: list[Check] = []
    if source is not None and limits.pictures is not None and limits.pictures < len(source):
        drawn = np.random.default_rng(0).choice(len(source), limits.pictures, replace=False)
        source = Subset(source, sorted(drawn.tolist()))
    if limits.quality is not None and source is not None:
        found += _quality(candidate, current, limits.quality, source, progress)
    if limits.latency is not None and source is not None:
        found += _latency(candidate, current, limits.latency, source, progress)
    try:
        if limits.privacy is not None:
            found += _privacy(candidate, limits.privacy)
        if limits.audit is not None:
            found += _audit(candidate, limits.audit)
    except (KeyError, TypeError, ValueError, IndexError):
        raise DataError(f"statement or audit in {candidate.folder} are damaged; copy the folder anew") from None
    return found


def _quality(
    candidate: Contender, current: Contender, limits: QualityLimits, source: SampleSource, progress: Progress
) -> Iterator[Check]:
    """mIoU, and what is lost of it, over the same resampled pictures."""
    times = np.random.default_rng(0).multinomial(len(source), np.full(len(source), 1 / len(source)), _RESAMPLES)
    times = np.vstack([np.ones((1, len(source)), np.int64), times])

    def resampled(of: Contender, title: str) -> np.ndarray:
        with progress(f"evaluate {title}", len(source)) as advance:
            return resampled_miou(accumulate(of.parser, source, advance=advance).pixels, times)

    of_candidate = resampled(candidate, "the candidate")
    if limits.min_miou is not None:
        low = float(np.nanpercentile(of_candidate[1:], 2.5))
        why = f"mIoU {of_candidate[0]:.3f} on {len(source)} pictures, surely {low:.3f}"
        yield Check("miou", limits.min_miou, low, low >= limits.min_miou, why)
    if limits.max_miou_loss is not None:
        loss = resampled(current, "the current one") - of_candidate
        high = float(np.nanpercentile(loss[1:], 97.5))
        why = f"loses {loss[0]:.3f} mIoU against the current network, at worst {high:.3f}; more pictures tell closer"
        yield Check("miou_loss", limits.max_miou_loss, high, high <= limits.max_miou_loss, why)


def _latency(
    candidate: Contender, current: Contender, limits: LatencyLimits, source: SampleSource, progress: Progress
) -> Iterator[Check]:
    """Of both in turns, on this machine."""
    pictures = [source[index].image for index in range(min(_TIMED_PICTURES, len(source)))]
    parsers = {"candidate": candidate.parser, "current": current.parser}
    for parser in parsers.values():  # the first call loads a graph
        for picture in pictures:
            parser.parse(picture)
    times = in_turns(parsers, pictures, _TIMED_ROUNDS, progress)
    why = f"{times['candidate']:.0f} ms a picture, the current network {times['current']:.0f} ms"
    if limits.max_ms is not None:
        yield Check("latency_ms", limits.max_ms, times["candidate"], times["candidate"] <= limits.max_ms, why)
    if limits.max_ratio is not None:
        ratio = times["candidate"] / times["current"]
        yield Check("latency_ratio", limits.max_ratio, ratio, ratio <= limits.max_ratio, why)


def _privacy(candidate: Contender, limits: PrivacyLimits) -> Iterator[Check]:
    """What the statement guarantees, if it is of these weights."""
    statement = candidate.statement
    if statement is None:
        why = f"{candidate.folder} holds no {STATEMENT_FILE}: nothing is guaranteed"
        yield Check("statement", "of these weights", None, False, why)
        return
    known = statement["implementation"].get("model_sha256")
    bound = known is not None and known == candidate.weights_sha256
    why = (
        "the statement is of these weights" if bound else "the statement is of other weights, or does not say of which"
    )
    yield Check("statement", "of these weights", known, bound, why)
    guarantee = (statement["guarantee"] if statement["private"] else None) or {}
    epsilon, delta, unit = (guarantee.get(name) for name in ("epsilon", "delta", "unit"))
    for name, limit, measured in (("epsilon", limits.max_epsilon, epsilon), ("delta", limits.max_delta, delta)):
        why = f"{name} is {measured:.3g}" if measured is not None else "trained without a guarantee"
        yield Check(name, limit, measured, measured is not None and measured <= limit, why)
    covered = unit is not None and (limits.unit == "image" or unit == "subject")
    yield Check("unit", limits.unit, unit, covered, f"protects each {unit}" if unit else "protects nobody")


def _audit(candidate: Contender, limits: AuditLimits) -> Iterator[Check]:
    """What the last audit found, if it was of these weights."""
    audit = candidate.audit
    if audit is None:
        why = f"{candidate.folder / AUDIT_PLACE} is missing: audit the run, then export it anew"
        yield Check("audit", "of these weights", None, False, why)
        return
    bound = audit.get("model_sha256") is not None and audit["model_sha256"] == candidate.weights_sha256
    why = "the audit is of these weights" if bound else "the audit is of other weights, or does not say of which"
    yield Check("audit", "of these weights", audit.get("model_sha256"), bound, why)
    good = audit["verdict"] in (LEAK, NO_LEAK)
    why = f"the audit's verdict: {audit['verdict']}"
    yield Check("audit_verdict", "valid, and no claim refuted", audit["verdict"], good, why)
    strongest = max(_attacks(audit), key=lambda attack: attack["auc_interval"][1])
    high = strongest["auc_interval"][1]
    why = f"attack {strongest['name']}: AUC {strongest['auc']:.3f}, at worst {high:.3f}"
    yield Check("audit_auc", limits.max_auc, high, high <= limits.max_auc, why)
    if (inversion := audit.get("inversion")) is not None:
        leaks = inversion["leaks"]
        why = "members can be drawn back from the weights" if leaks else "members are drawn back no better than others"
        yield Check("audit_inversion", "nobody drawn back", why, not leaks, why)
    if limits.max_tpr_at_1_percent is not None:
        yield _true_positives(audit, limits.max_tpr_at_1_percent)


def _attacks(audit: dict[str, Any]) -> list[dict[str, Any]]:
    """On weights, and on what a service answers where that was tried."""
    return [*audit["attacks"], *audit.get("answers", ())]


def _true_positives(audit: dict[str, Any], limit: float) -> Check:
    """The attack that could find most members while accusing 1 % of others."""
    points = [
        (point["true_positive_interval"][1], attack["name"])
        for attack in _attacks(audit)
        for point in attack["tpr_at_fpr"]
        if point["false_positive_rate"] == 0.01
    ]
    if not points:
        why = "too few pictures were audited to show a rate of 1 %"
        return Check("audit_tpr_at_1_percent", limit, None, False, why)
    high, name = max(points)
    why = f"attack {name} finds at worst {high:.1%} of members while accusing 1 % of others"
    return Check("audit_tpr_at_1_percent", limit, high, high <= limit, why)
