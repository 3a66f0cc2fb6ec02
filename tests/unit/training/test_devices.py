"""Where a network trains, without an accelerator at hand; with one, see test_accelerator."""

from __future__ import annotations

import pytest
import torch

from discreet.errors import ConfigurationError
from discreet.training import ranks
from discreet.training.devices import find_device, num_reading_processes


@pytest.fixture
def accelerators(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> int:
    """As many as asked for, as far as PyTorch says."""
    count: int = request.param
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    return count


@pytest.mark.parametrize("accelerators", [0], indirect=True)
def test_without_one_the_processor_trains_or_the_wish_is_refused(accelerators: int) -> None:
    assert find_device("auto").type == find_device("cpu").type == "cpu"
    with pytest.raises(ConfigurationError, match=r'set training\.device = "auto"'):
        find_device("cuda")


@pytest.mark.parametrize("accelerators", [2], indirect=True)
def test_processes_of_a_machine_take_its_accelerators_in_turn(accelerators: int) -> None:
    assert [find_device("auto", rank).index for rank in range(4)] == [0, 1, 0, 1]
    assert find_device("cpu", 1).type == "cpu"


def test_an_accelerator_is_read_for_by_processes_and_a_processor_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    cuda = torch.device("cuda")
    assert num_reading_processes(torch.device("cpu")) == 0
    assert num_reading_processes(cuda) == 14
    assert num_reading_processes(cuda, sharing=4) == 2
    assert num_reading_processes(cuda, sharing=16) == 1


@pytest.mark.parametrize("accelerators", [2], indirect=True)
@pytest.mark.parametrize(("sharing", "backend"), [(2, "cpu:gloo,cuda:nccl"), (3, "gloo")])
def test_only_processes_with_accelerators_of_their_own_talk_through_them(
    accelerators: int, sharing: int, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.distributed.is_nccl_available", lambda: True)
    assert ranks._backend(sharing) == backend
