"""`discreet serve`: the service and its page."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from discreet.cli.output import Output

HELP = (
    "Serve a parser over HTTPS, with a page. Faces are masked before the network sees a picture, and nothing is "
    "kept. Every option can also be set in the environment, as DISCREET_NAME."
)

_NUMBERS = {"N": int, "X": float}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One option for each setting."""
    from discreet.service.options import OPTIONS

    for name, (default, kind, description) in OPTIONS.items():
        option = f"--{name.replace('_', '-')}"
        text = description if default in (None, "", False) else f"{description} (default: {default})"
        if kind == "flag":
            parser.add_argument(option, action="store_true", default=None, help=text)
        elif "|" in kind:
            parser.add_argument(option, choices=kind.split("|"), metavar=kind, help=text)
        else:
            parser.add_argument(option, type=_NUMBERS.get(kind, str), metavar=kind, help=text)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Serve until stopped."""
    from discreet.cli.state import state_folder
    from discreet.errors import DependencyError
    from discreet.service.options import OPTIONS
    from discreet.service.settings import read_settings

    settings = read_settings({name: getattr(arguments, name) for name in OPTIONS})
    try:
        from discreet.service.serve import serve
    except ModuleNotFoundError as missing:
        raise DependencyError(f"{missing.name} is not installed; pip install 'discreet[serve]'") from None
    serve(settings, state_folder() / "service", output.note, output.result)
    return 0
