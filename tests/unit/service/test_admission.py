"""Places and rates: the one too many is refused at once, and the next one after it is not."""

from __future__ import annotations

import asyncio

import pytest

from discreet.errors import ConfigurationError
from discreet.service import admission as admission_module
from discreet.service.admission import Admission, Rate, neighbourhood
from discreet.service.metrics import Metrics
from discreet.service.problems import Problem


def test_places_are_bounded_and_given_back() -> None:
    async def run() -> None:
        admission = Admission(at_once=1, queue=1, metrics=Metrics())
        async with admission.enter(), admission.enter():
            with pytest.raises(Problem) as caught:
                async with admission.enter():
                    pass
            assert caught.value.status == 503
            assert int(caught.value.headers["Retry-After"]) >= 1
        async with admission.enter():
            pass

    asyncio.run(run())


def test_who_sends_slowly_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission_module, "UPLOADS", 3)

    async def run() -> None:
        admission = Admission(at_once=1, queue=0, metrics=Metrics())
        async with admission.upload(), admission.upload():
            async with admission.enter():
                with pytest.raises(Problem, match="inside"):  # nobody sends what cannot be parsed
                    async with admission.upload():
                        pass
            async with admission.upload():
                with pytest.raises(Problem, match="being sent"):
                    async with admission.upload():
                        pass
        async with admission.upload():
            pass

    asyncio.run(run())


def test_only_so_many_refusals_are_written_down() -> None:
    async def run() -> list[bool]:
        rate = Rate("2/minute")
        noted = [await rate.is_noted("one") for _ in range(40)]
        assert await rate.is_noted("two")
        return noted

    assert asyncio.run(run()) == [True] * 30 + [False] * 10


@pytest.mark.parametrize(
    ("address", "client"),
    [("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"), ("", ""), ("unknown", "unknown")],
)
def test_a_client_is_its_network(address: str, client: str) -> None:
    """Whoever has one IPv6 address has 2^64 of them."""
    assert neighbourhood(address) == client


def test_a_place_is_given_back_when_its_holder_fails() -> None:
    async def run() -> None:
        admission = Admission(at_once=1, queue=0, metrics=Metrics())
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with admission.enter():
                    raise ZeroDivisionError

    asyncio.run(run())


def test_places_are_shown_to_prometheus() -> None:
    async def run() -> bytes:
        metrics = Metrics()
        admission = Admission(at_once=1, queue=5, metrics=metrics)
        async with admission.enter(), admission.enter(), admission.enter():
            return metrics.text()

    text = asyncio.run(run()).decode()
    assert "discreet_requests_waiting 2.0" in text
    assert "discreet_requests_parsing 1.0" in text


def test_rates_are_by_subject_and_say_what_is_left() -> None:
    async def run() -> None:
        rate = Rate("2/minute")
        assert (await rate.take("one"))["RateLimit-Remaining"] == "1"
        assert (await rate.take("one"))["RateLimit-Remaining"] == "0"
        with pytest.raises(Problem) as caught:
            await rate.take("one")
        assert caught.value.status == 429
        assert 1 <= int(caught.value.headers["Retry-After"]) <= 60
        assert (await rate.take("another"))["RateLimit-Remaining"] == "1"

    asyncio.run(run())


def test_a_rate_that_makes_no_sense() -> None:
    with pytest.raises(ConfigurationError, match="120/minute"):
        Rate("often")
    with pytest.raises(ConfigurationError, match="'0/minute', which lets nobody in; give at least 1"):
        Rate("0/minute")
