"""How long an audit takes to score pictures, and where the time goes.

    python benchmarks/audit_speed.py [--pictures 128] [--size 256] [--threads 2]

Scores generated pictures with m2fp-lite as `discreet audit` does (each and its mirror image), and gives seconds for
1 000. Beside it: the network's own forward passes, and the losses. Target: a minute for 1 000.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from discreet.auditing.signals import signals_of
from discreet.data import open_spec
from discreet.data.people import generate_people
from discreet.data.samples import SampleSource
from discreet.data.transforms import AugmentSettings, augment
from discreet.inference.models import model_folder
from discreet.labels import LabelSet
from discreet.m2fp import M2FP, Targets, load_model, losses_by_output, make_targets

RESULT = Path(__file__).parent / "results" / "audit_speed.json"
BATCH, ROUNDS = 8, 3


def seconds(step: Callable[[], object]) -> float:
    """The shortest of some rounds, the first of which warms up."""
    found = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        step()
        found.append(time.perf_counter() - started)
    return min(found[1:])


def batches(
    model: M2FP, source: SampleSource, labels: LabelSet, size_px: int
) -> list[tuple[Tensor, Sequence[Targets], Sequence[torch.Generator]]]:
    """Pictures as the network and the criterion take them."""
    fitting = AugmentSettings.of_strength("none", (size_px, size_px))
    views = [augment(source[index], np.random.default_rng(0), fitting, labels) for index in range(len(source))]
    found = []
    for start in range(0, len(views), BATCH):
        some = views[start : start + BATCH]
        targets = [make_targets(view.parts, view.persons, num_parts=len(labels), human=model.human) for view in some]
        generators = [torch.Generator().manual_seed(index) for index in range(len(some))]
        found.append((model.batch([model.normalise(view.image) for view in some]), targets, generators))
    return found


def main() -> None:
    """Measure, print, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=128)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model, info = load_model(model_folder("m2fp-lite"))
    model.eval()
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        generate_people(Path(folder), style="street", count=arguments.pictures, size_px=arguments.size, seed=901)
        source = open_spec(f"people:{folder}")
        canvas = (arguments.size, arguments.size)
        prepared = batches(model, source, info.labels, arguments.size)
        outputs = [model(images) for images, _, _ in prepared]
        per_1000 = 1000 / arguments.pictures
        found = {
            "network": "m2fp-lite", "size_px": arguments.size, "threads": arguments.threads,
            "seconds_per_1000": per_1000 * seconds(lambda: signals_of(model, source, info.labels, canvas)),
            "of_these_network": 2 * per_1000 * seconds(lambda: [model(images) for images, _, _ in prepared]),
            "of_these_losses": 2 * per_1000 * seconds(
                lambda: [
                    losses_by_output(output, targets, generators, model.criterion_settings)
                    for output, (_, targets, generators) in zip(outputs, prepared, strict=True)
                ]
            ),
        }  # fmt: skip
    print(json.dumps(found))
    RESULT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
