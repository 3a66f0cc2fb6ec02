"""One running service for all tests that leave it as they found it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import write_pictures
from tests.e2e.service.running import Running, start

ASSETS = Path(__file__).parents[2] / "assets"


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Over TLS, with tokens, and a rate that tests do not reach."""
    running = start(tmp_path_factory.mktemp("service"), "--rate", "100000/minute")
    yield running
    assert running.stop() == 0, "".join(running.log)


@pytest.fixture(scope="package")
def picture() -> bytes:
    """A photograph in the public domain."""
    return (ASSETS / "person.jpg").read_bytes()


@pytest.fixture(scope="package")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few pictures with labels."""
    return write_pictures(tmp_path_factory.mktemp("labelled") / "data", 3)
