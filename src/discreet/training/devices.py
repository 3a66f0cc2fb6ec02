"""Where a network trains, how it computes there, and how much memory that place has.

On an accelerator a step done again is the same up to rounding, not bit by bit: its kernels add in any order.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Literal

import torch

from discreet.errors import ConfigurationError

DeviceChoice = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "bfloat16"]

# Left to the process that computes, of the processor's cores.
_CORES_OF_ITS_OWN = 2
_MOST_READERS = 16


def find_device(choice: DeviceChoice, rank: int = 0) -> torch.device:
    """The device of a setting: "auto" is an accelerator where there is one.

    Args:
        choice: *Public*
        rank: of this process among those on its machine, which take accelerators in turn.

    Raises:
        ConfigurationError: an accelerator is asked for, and PyTorch finds none.
    """
    if choice == "cpu" or (choice == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigurationError(
            'training.device is "cuda", and PyTorch finds no such accelerator; install its CUDA build and a driver, or '
            'set training.device = "auto"'
        )
    return torch.device("cuda", rank % torch.cuda.device_count())


def computing_in(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """While it lasts, layers that may compute in the given precision; weights, losses, norms and sums stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def num_reading_processes(device: torch.device, sharing: int = 1) -> int:
    """Processes that read for a network on a device: none for one on the CPU, which threads can keep busy.

    Args:
        device: of the network.
        sharing: processes that divide the machine.
    """
    if device.type == "cpu":
        return 0
    return min(max((os.cpu_count() or 1) // sharing - _CORES_OF_ITS_OWN, 1), _MOST_READERS)
