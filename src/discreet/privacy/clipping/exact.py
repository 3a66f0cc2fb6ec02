"""Float32 that is float32: norms bound sums only where both are computed as exactly as the accounting assumes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch


@contextmanager
def full_float32() -> Generator[None]:
    """Turns off TF32 and its like, which keep ten bits of every factor, and puts back what was set before.

    PyTorch lets convolutions have TF32 on accelerators unless told otherwise. Norms from Gram matrices and sums from
    convolutions would then differ by up to a thousandth of what cancels in them: more than the noise has slack for.
    """
    matmul, convolution = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32 = convolution


def without_autocast(device_type: str) -> AbstractContextManager[object]:
    """Turns off autocast, where it is on: asking costs less than turning it off a few hundred times a step."""
    return torch.autocast(device_type, enabled=False) if torch.is_autocast_enabled(device_type) else nullcontext()
