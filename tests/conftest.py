"""One thread and known seeds, so that a test gives the same numbers alone and in company."""

import random

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def _repeatable():
    torch.set_num_threads(1)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (what a dependency may draw from)
    torch.manual_seed(0)
