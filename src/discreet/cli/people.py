"""`discreet people`: pictures of people who never existed, with exact labels."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from discreet.cli.output import Output

HELP = "Make pictures of people who never existed, with part labels and person ids, in the folder format."

_WITHOUT_EMBREE = (
    "embreex is not installed: numpy casts the rays, with the same labels, coarser shadows and about a third of the "
    "speed; pip install 'discreet[people]' brings it where it has a wheel (x86-64 and macOS)"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Same seed, same pictures, for any number of workers."""
    parser.add_argument("--count", type=int, required=True, help="number of pictures")
    parser.add_argument("--size", type=int, default=256, help="side in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--style",
        action="append",
        metavar="NAMES",
        help="street (unless told otherwise), studio, store, home, winter or thermal; several take turns: street,home",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--face-masks", type=float, default=0.33, metavar="SHARE", help="pictures with masked faces")
    parser.add_argument("--resume", action="store_true", help="render what is missing of the set in DIR")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Render, with progress."""
    import time

    from discreet.data.people import generate_people
    from discreet.data.people.casting import choose_caster
    from discreet.labels import CIHP

    out: Path = arguments.out
    if choose_caster() == "numpy":
        output.note(_WITHOUT_EMBREE)
    started = time.monotonic()
    try:
        with output.progress("people", arguments.count) as advance:
            generate_people(
                out,
                style=",".join(arguments.style or ["street"]),
                count=arguments.count,
                size_px=arguments.size,
                seed=arguments.seed,
                workers=arguments.workers,
                face_masks=arguments.face_masks,
                resume=arguments.resume,
                progress=advance,
            )
    except KeyboardInterrupt:
        output.error(f"stopped; what is finished stays in {out}, and the same command with --resume goes on")
        return 1
    seconds = round(time.monotonic() - started, 2)
    output.result({"count": arguments.count, "seconds": seconds, "labels": list(CIHP.names)})
    output.line(f"{arguments.count} pictures in {out} ({seconds} s)")
    return 0
