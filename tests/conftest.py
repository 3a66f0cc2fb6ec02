"""One thread and known seeds, so that a test gives the same numbers alone and in company; fast tests first."""

import random

import numpy as np
import pytest
import torch

_LATE = ("/tests/hostile/", "/tests/e2e/")  # real processes and browsers: minutes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast ones first."""
    items.sort(key=lambda item: next((turn for turn, part in enumerate(_LATE, 1) if part in str(item.path)), 0))


@pytest.fixture(autouse=True)
def _repeatable():
    torch.set_num_threads(1)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (what a dependency may draw from)
    torch.manual_seed(0)
