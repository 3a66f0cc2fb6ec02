"""`discreet train`: train a model, with differential privacy unless told otherwise."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from discreet.cli.output import Output
    from discreet.training.run import Outcome

HELP = "Train a model by the settings in RUN.toml. Ctrl-C finishes the step and saves; --resume goes on."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Settings come from the file; --set changes one."""
    parser.add_argument("settings", type=Path, metavar="RUN.toml")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="the run's folder, new or empty")
    parser.add_argument("--resume", action="store_true", help="go on with the run in that folder")
    parser.add_argument("--init", metavar="WEIGHTS", help="public start: a shipped name, a folder, or none")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", dest="overrides", help="change one setting"
    )
    parser.add_argument(
        "--micro-batch", metavar="N|auto", help="pictures at once; auto: as many as fit in memory. Changes no result"
    )
    parser.add_argument(
        "--trials", type=int, metavar="K", help="K runs at several learning rates under one ε; data.evaluate chooses"
    )
    parser.add_argument(
        "--canaries", type=int, metavar="N", help="N units that a coin each lets in or leaves out, for audits to guess"
    )
    parser.add_argument(
        "--private",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="demand a [privacy] section, or train without any guarantee",
    )
    parser.add_argument(
        "--test-key", type=int, metavar="SEED", help="a key that anyone can guess: repeatable, and not private"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Train, and say what is guaranteed."""
    from discreet.auditing.card import write_report
    from discreet.cli.state import state_folder
    from discreet.inference.models import start_folder
    from discreet.training.ranks import ranks_of_environment
    from discreet.training.run import train
    from discreet.training.settings import read_settings
    from discreet.training.surroundings import Surroundings, silent

    settings = read_settings(arguments.settings, _overrides(arguments), arguments.private)
    with ranks_of_environment() as ranks, interruptible(output) as should_stop:
        around = Surroundings(
            state=state_folder(),
            init=start_folder(settings.model.init),
            progress=output.progress if ranks.leads else silent,
            should_stop=should_stop,
            test_seed=arguments.test_key,
            ranks=ranks,
            note=output.note,
        )
        outcome = train(settings, arguments.out, around, resume=arguments.resume)
    if not ranks.leads:
        return 0 if outcome.complete else 1
    if not outcome.complete:
        output.error(
            f"stopped after step {outcome.num_steps} of {outcome.planned_steps}; nothing is lost: "
            "the same command with --resume goes on"
        )
        return 1
    write_report(arguments.out)
    _tell(outcome, arguments.out, output)
    return 0


def _overrides(arguments: argparse.Namespace) -> list[str]:
    """What --set says, and the options that are short for it."""
    import json

    short = {
        "model.init": None if arguments.init is None else json.dumps(arguments.init, ensure_ascii=False),
        "training.micro_batch_size": arguments.micro_batch,
        "training.trials": arguments.trials,
        "training.canaries": arguments.canaries,
    }
    return arguments.overrides + [f"{key}={value}" for key, value in short.items() if value is not None]


def _tell(outcome: Outcome, out: Path, output: Output) -> None:
    """What a whole run gave, and where it lies."""
    output.result(
        {
            "epsilon": outcome.epsilon,
            "delta": outcome.delta,
            "num_steps": outcome.num_steps,
            "seconds": outcome.seconds,
            "model": str(out / "model.safetensors"),
            "statement": str(out / "statement.json"),
            "report": str(out / "report.html"),
        }
    )
    if outcome.epsilon is None:
        output.line(f"{out} holds a model WITHOUT a privacy guarantee ({outcome.seconds:.0f} s)")
    else:
        output.line(
            f"{out} holds a model with ε = {outcome.epsilon:.3f} at δ = {outcome.delta:g} "
            f"({outcome.num_steps} steps, {outcome.seconds:.0f} s); discreet card {out} says what that means"
        )


@contextmanager
def interruptible(output: Output) -> Generator[Callable[[], bool]]:
    """Inside, the first Ctrl-C asks to stop after the step; a second one stops at once."""
    import signal

    asked: list[int] = []
    previous = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: object) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, previous)
        output.note("finishing this step, then saving (Ctrl-C again stops at once; the last checkpoint is kept)")

    signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, previous)
