"""Which form of an answer an Accept header asks for."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from discreet.service.problems import Problem
from discreet.service.routes import wants_json_of


def asking(*lines: str) -> Request:
    """A request with so many Accept headers."""
    return Request({"type": "http", "headers": [(b"accept", line.encode()) for line in lines]})


@pytest.mark.parametrize(
    ("lines", "wants_json"),
    [
        ((), False),
        (("image/png;q=0, */*",), True),
        (("*/*, image/png;q=0",), True),
        (("image/*;q=0, */*;q=0.1",), True),
        (("application/json;q=0, */*",), False),
        (("text/html", "application/json"), True),
        (("application/json", "image/png;q=0.5"), True),
        (("application/json;q=0.5", "image/png"), False),
        (("application/json, text/plain, */*",), True),
    ],
)
def test_the_closest_fit_decides_and_every_line_counts(lines: tuple[str, ...], wants_json: bool) -> None:
    assert wants_json_of(asking(*lines)) is wants_json


@pytest.mark.parametrize("line", ["text/html", "image/png;q=0", "image/png;q=0, application/json;q=0, */*", "*/*;q=0"])
def test_what_is_excluded_is_not_answered(line: str) -> None:
    with pytest.raises(Problem) as caught:
        wants_json_of(asking(line))
    assert caught.value.status == 406
