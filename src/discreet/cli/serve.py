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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One option for each setting."""
    from discreet.service.settings import ServiceSettings

    for name, field in ServiceSettings.model_fields.items():
        option = f"--{name.replace('_', '-')}"
        default = "" if field.default in (None, "", False) else f" (default: {field.default})"
        text = f"{field.description}{default}"
        if field.annotation is bool:
            parser.add_argument(option, action="store_true", default=None, help=text)
        else:
            parser.add_argument(option, metavar=_metavar(field.annotation), help=text)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Serve until stopped."""
    from discreet.cli.state import state_folder
    from discreet.errors import DependencyError
    from discreet.service.settings import ServiceSettings, read_settings

    settings = read_settings({name: getattr(arguments, name) for name in ServiceSettings.model_fields})
    try:
        from discreet.service.serve import serve
    except ModuleNotFoundError as missing:
        raise DependencyError(f"{missing.name} is not installed; pip install 'discreet[serve]'") from None
    serve(settings, state_folder() / "service", output.note)
    return 0


def _metavar(annotation: object) -> str:
    """What is expected, in a word."""
    from typing import get_args

    choices = [str(choice) for choice in get_args(annotation) if isinstance(choice, str)]
    if choices:
        return "|".join(choices)
    return {int: "N", float: "X"}.get(annotation, "VALUE") if isinstance(annotation, type) else "FILE"  # type: ignore[call-overload]
