"""Before step 0: does one sample's gradient really depend on that sample alone?

The sensitivity bound of clipping rests on it, and nothing else would notice: a loss divided by
the batch's number of masks, or a norm over the batch, trains well and leaks. So a copy of the
module, in float64, is tried on probe samples that are made up and public.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from discreet.errors import IsolationError
from discreet.privacy.clipping import Clipper
from discreet.privacy.clipping.clipper import ClippingStyle

NUM_PROBES = 4
_TOLERANCE = 1e-10  # rounding comes to about 1e-15

ProbeLoss = Callable[[nn.Module, Sequence[int]], Tensor]


def check_isolation(
    module: nn.Module, probe_loss: ProbeLoss, *, max_grad_norm: float, style: ClippingStyle = "flat"
) -> None:
    """Compare batches of probes with single probes: losses, norms, clipped sums and buffers.

    A single probe's gradient is autograd's own, so that a layer's rule that is wrong is found here, too.

    **Guarantees** On return: in a batch of probes each one's loss and gradient norm are what
    they are alone; exchanging one probe changes nothing of the others; the clipped sum is the
    sum over single probes; the forward pass changes no buffer and no parameter; no single
    probe adds more than the sensitivity.

    Args:
        module: the network as it will train; it is copied, not touched.
        probe_loss: (copy of the module in float64, indices of probes) -> loss, float64 [len(indices)].
            Probes 0 … NUM_PROBES-1 are public, made up, and differ from each other.
        max_grad_norm, style: as for Clipper. *Public*

    Raises:
        IsolationError: a sample influences another; says what differed.
        ClippingError: as Clipper.
    """
    module = copy.deepcopy(module).double()
    _stir_zeros(module)
    before = {name: tensor.clone() for name, tensor in _state(module)}
    singles = [_measure(module, probe_loss, [probe], max_grad_norm, style) for probe in range(NUM_PROBES)]
    for probe, (_, norm, _) in enumerate(singles):
        if not 0 < float(norm) < float("inf"):
            raise IsolationError(
                f"probe {probe} has gradient norm {float(norm)}, which proves nothing; use other probes"
            )
    # Beside the most that a sample adds: some parts are zero but for rounding (an attention's key bias).
    scale = max(_length(sums) for _, _, sums in singles)
    first, second = list(range(NUM_PROBES - 1)), [NUM_PROBES - 1, *range(1, NUM_PROBES - 1)]
    for probes in (first, second):
        losses, norms, sums = _measure(module, probe_loss, probes, max_grad_norm, style)
        _agree("the loss of a sample", losses, torch.cat([singles[probe][0] for probe in probes]))
        _agree("the gradient norm of a sample", norms, torch.cat([singles[probe][1] for probe in probes]))
        for name, total in sums.items():
            expected = torch.stack([singles[probe][2][name] for probe in probes]).sum(0)
            _agree(f"the clipped gradient of {name}", total, expected, scale)
    for name, tensor in _state(module):
        if not torch.equal(tensor, before[name]):
            raise IsolationError(
                f"{name} changes in the forward pass: it would carry samples past the noise; freeze it"
            )


def _state(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """What only an optimizer may change: parameters and buffers."""
    yield from module.named_parameters()
    yield from module.named_buffers()


@torch.no_grad()
def _stir_zeros(module: nn.Module) -> None:
    """Behind a weight that starts at zero, samples could meet unseen until it has trained."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        if not parameter.any():
            parameter += 0.01 * torch.randn(parameter.shape, generator=generator).to(parameter)


def _measure(
    module: nn.Module, probe_loss: ProbeLoss, probes: Sequence[int], max_grad_norm: float, style: ClippingStyle
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Losses [B], norms [B] and clipped sums of one batch of probes."""
    with Clipper(module, max_grad_norm, style) as clipper:
        losses_B = probe_loss(module, probes)
        if losses_B.shape != (len(probes),):
            raise IsolationError(
                f"the loss of {len(probes)} samples has shape {list(losses_B.shape)}; give one number a sample "
                "(windows, queries and views of one picture are not samples)"
            )
        norms_B = clipper.accumulate(losses_B)
        sums = clipper.take()
        if len(probes) == 1:
            added = _length(sums)
            if added > clipper.sensitivity:
                raise IsolationError(
                    f"one sample added a gradient of norm {added:.4g}, above the sensitivity {clipper.sensitivity:.4g}"
                )
    return losses_B.detach(), norms_B, sums


def _length(sums: dict[str, Tensor]) -> float:
    """Euclidean norm of all together."""
    return sum(float(total.double().square().sum()) for total in sums.values()) ** 0.5


def _agree(what: str, batched: Tensor, alone: Tensor, scale: float | None = None) -> None:
    """Equal up to rounding, beside `scale` or the largest value, or the samples are coupled."""
    scale = float(alone.abs().max().clamp(min=1e-12)) if scale is None else scale
    difference = float((batched - alone).abs().max()) / scale
    if not difference <= _TOLERANCE:
        raise IsolationError(
            f"{what} depends on the other samples of the batch (relative difference {difference:.2g}): "
            "remove batch statistics, and normalise the loss within each sample"
        )
