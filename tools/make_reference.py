"""Write docs/reference.md: every verb, every option, every setting, as the code has them.

python tools/make_reference.py > docs/reference.md
"""

from __future__ import annotations

import argparse
import importlib

from discreet.cli.main import VERBS
from discreet.training.settings import PRIVATE_RECIPE, DataSettings, ModelSettings, PrivacySettings, TrainingSettings

SECTIONS = {
    "data": DataSettings,
    "model": ModelSettings,
    "privacy": PrivacySettings,
    "training": TrainingSettings,
}


def reference() -> str:
    """The page."""
    lines = ["# Reference", "", "Written by `tools/make_reference.py`; a test compares.", "", "## Verbs", ""]
    for verb in VERBS:
        module = importlib.import_module(f"discreet.cli.{verb}")
        parser = argparse.ArgumentParser(prog=f"discreet {verb}", add_help=False)
        module.add_arguments(parser)
        lines += [f"### discreet {verb}", "", module.HELP, ""]
        options = [option_line(action) for action in parser._actions]
        lines += [*options, "- `--json`: one JSON object on stdout", ""]
    lines += [
        "## RUN.toml",
        "",
        "An unknown key is refused. A run without `[privacy]` has no guarantee; one with it has other defaults, which "
        "lost least (EXPERIMENTS.md).",
        "",
    ]
    for name, section in SECTIONS.items():
        private = PRIVATE_RECIPE.get(name, {})
        lines += [f"### [{name}]", ""]
        lines += [setting_line(key, field, private.get(key)) for key, field in section.model_fields.items()]
        lines += [""]
    return "\n".join(lines)


def option_line(action: argparse.Action) -> str:
    """One argument of a verb."""
    names = ", ".join(f"`{name}`" for name in action.option_strings) or f"`{action.metavar or action.dest}`"
    choices = f" ({', '.join(map(str, action.choices))})" if action.choices else ""
    return f"- {names}{choices}" + (f": {action.help}" if action.help else "")


def setting_line(key: str, field: object, private: object) -> str:
    """One key of a section, with its default, and that of a private run where it is another."""
    default = getattr(field, "default", None)
    required = getattr(field, "is_required", lambda: False)()
    line = f"- `{key}`" + (" (required)" if required else f" = {default!r}")
    if private is None:
        return line
    return f"- `{key}` = {private!r} with privacy" + ("" if private == default else f", {default!r} without")


if __name__ == "__main__":
    print(reference(), end="")
