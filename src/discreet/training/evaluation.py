"""Measure a model on labelled pictures: parse each as a user would, and compare.

On private pictures this is an access without noise; whoever calls it enters that in the ledger.
"""

from __future__ import annotations

from collections.abc import Callable

from discreet.data.samples import SampleSource
from discreet.errors import DataError
from discreet.inference.parser import Parser
from discreet.training.metrics import Metrics, MetricsAccumulator


def evaluate(parser: Parser, source: SampleSource, *, advance: Callable[[], object] = lambda: None) -> Metrics:
    """Metrics of a parser over a data set.

    Args:
        parser: with the same label set as the data.
        source: labelled pictures. *SENSITIVE* unless they are public
        advance: called after each picture.

    Raises:
        DataError: the data set is empty, or its parts are not those of the parser.
    """
    return accumulate(parser, source, advance=advance).result()


def accumulate(
    parser: Parser, source: SampleSource, *, advance: Callable[[], object] = lambda: None
) -> MetricsAccumulator:
    """The same, with every picture's counts."""
    refuse_other_parts(parser, source)
    accumulator = MetricsAccumulator(source.label_set)
    for index in range(len(source)):
        sample = source[index]
        accumulator.add(parser.parse(sample.image), sample.parts, sample.persons)
        advance()
    return accumulator


def refuse_other_parts(parser: Parser, source: SampleSource) -> None:
    """Refuse what cannot be evaluated, before a picture is read.

    Raises:
        DataError: the data set is empty, or its parts are not those of the parser.
    """
    if len(source) == 0:
        raise DataError(f"{source.spec} holds no picture to evaluate on")
    if source.label_set.names != parser.labels.names:
        raise DataError(
            f"{source.spec} has the parts of {source.label_set.name!r}, the model those of {parser.labels.name!r}; "
            "evaluate on data with the model's parts"
        )
