"""One run by several processes, started by torchrun: each takes a share of every step's units.

The first process, the leader, alone holds the ledger and writes files. Clipped sums are added over all processes, and
each adds the noise of its own part of the parameters, so that there is one noise. What goes between the processes is
*SENSITIVE*: their network belongs to the machines that hold the data.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from discreet.errors import ConfigurationError, RankError

# The others wait while the leader reads and evaluates; one that dies is noticed at once, by its closed connection.
_LONGEST_WAIT = timedelta(days=1)


@dataclass(frozen=True)
class Ranks:
    """This process among those of its run. What they do together, all of them call in the same order.

    Args:
        rank: from 0; the first leads.
        size: how many there are.
        on_this_machine: how many of them share its memory.
        on_machine: its number among those.
    """

    rank: int = 0
    size: int = 1
    on_this_machine: int = 1
    on_machine: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process holds the ledger and writes what is released."""
        return self.rank == 0

    def share_of(self, units: NDArray[np.int64]) -> NDArray[np.int64]:
        """This process's part of a step's units: every one is in exactly one part. *SENSITIVE*"""
        return units[self.rank :: self.size]

    def names_of(self, tensors: Mapping[str, Tensor]) -> list[str]:
        """This process's part of some tensors: every name is in exactly one part, and all parts are about as large."""
        filled = [0] * self.size
        own: list[str] = []
        for name in sorted(tensors, key=lambda name: (-tensors[name].numel(), name)):
            owner = filled.index(min(filled))
            filled[owner] += tensors[name].numel()
            if owner == self.rank:
                own.append(name)
        return own

    def sum(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Sums over all processes, which give the same names and shapes. *SENSITIVE* where the tensors are."""
        if self.size == 1:
            return tensors
        names = sorted(tensors)
        flat = torch.cat([tensors[name].detach().flatten() for name in names])
        with _together():
            dist.all_reduce(flat)
        parts = flat.split([tensors[name].numel() for name in names])
        return {name: part.view_as(tensors[name]) for name, part in zip(names, parts, strict=True)}

    def told(self, news: Any = None) -> Any:
        """What the leader says, as JSON can hold it; the others say nothing."""
        if self.size == 1:
            return news
        spoken = torch.frombuffer(bytearray(json.dumps(news).encode()), dtype=torch.uint8)
        length = torch.tensor([len(spoken)])
        with _together():
            dist.broadcast(length, 0)
            heard = spoken if self.leads else torch.empty(int(length), dtype=torch.uint8)
            dist.broadcast(heard, 0)
        return json.loads(heard.numpy().tobytes())

    def any(self, asked: bool) -> bool:
        """Whether any of the processes says yes."""
        if self.size == 1:
            return asked
        answer = torch.tensor([int(asked)])
        with _together():
            dist.all_reduce(answer, dist.ReduceOp.MAX)
        return bool(answer)


ALONE = Ranks()


@contextmanager
def ranks_of_environment() -> Generator[Ranks]:
    """The processes that torchrun has started, connected; one alone where it has not.

    Raises:
        ConfigurationError: the environment is not what torchrun sets, or the others cannot be reached.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    # Its functions take the group of the moment they are imported as their default. An optimizer imports them; if that
    # came after the next line, the group would outlive its end, and its threads abort the process as Python leaves.
    import torch.distributed.nn  # noqa: F401

    on_this_machine = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    try:
        dist.init_process_group(_backend(on_this_machine), timeout=_LONGEST_WAIT)
    except (ValueError, RuntimeError) as problem:
        raise ConfigurationError(
            f"WORLD_SIZE is set and the other processes cannot be reached ({problem}); start with torchrun "
            "--nproc-per-node N -m discreet train …, or unset WORLD_SIZE"
        ) from None
    try:
        on_machine = int(os.environ.get("LOCAL_RANK", "0"))
        yield Ranks(dist.get_rank(), dist.get_world_size(), on_this_machine, on_machine)
    finally:
        dist.destroy_process_group()


def _backend(on_this_machine: int) -> str:
    """What carries tensors between processes: from accelerator to accelerator where each process has one of its own."""
    if dist.is_nccl_available() and 0 < on_this_machine <= torch.cuda.device_count():
        return "cpu:gloo,cuda:nccl"
    return "gloo"


@contextmanager
def _together() -> Generator[None]:
    """What all processes do at once fails in all of them when one is lost."""
    try:
        yield
    except RuntimeError:
        raise RankError(
            "another process of this run has ended, and its message says why; what was released is accounted for, and "
            "the same command with --resume goes on"
        ) from None
