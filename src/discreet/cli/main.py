"""The `discreet` command: finds the verb, imports its module alone, and turns errors into exit codes.

Exit codes: 0 done, 1 refused or failed (one line on stderr), 2 wrong usage.
A verb module defines HELP, add_arguments(parser) and run(arguments, output) -> exit code.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence

from discreet import __version__
from discreet.errors import ConfigurationError, DiscreetError, UsageError

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
# Only these take names that are not UTF-8: of pictures, which no file notes.
_ANY_NAMES = ("parse",)

# Here, not in the modules, so that `discreet --help` imports none of them.
VERBS = {
    "doctor": "say what this machine has, and what is missing",
    "plan": "compute ε, or the noise that a target ε needs",
    "people": "make pictures of people who never existed, with exact labels",
    "data": "check a data set, or count its pixels by part",
    "train": "train a model, with differential privacy unless told otherwise",
    "evaluate": "measure a model on labelled pictures",
    "audit": "attack a run's model: does it tell who it was trained on?",
    "compare": "defences side by side: what each guarantees, and what it costs",
    "parse": "find every person and every part in pictures",
    "export": "write a network for ONNX Runtime, OpenVINO, browsers, or the released M2FP",
    "promote": "may a network be served instead of the current one?",
    "serve": "serve a parser over HTTPS, with a page: masks faces first, keeps nothing",
    "token": "make tokens for the service, rotate its keys, revoke a token",
    "journal": "verify or export what the service wrote down of its requests",
    "ledger": "show, verify or cap what a data set's budget was spent on",
    "card": "the privacy card of a run",
    "demo": "the whole way, from pictures to a private model, in about ten minutes",
}


def _overview() -> argparse.ArgumentParser:
    """The parser for `discreet --help`, `--version` and unknown verbs."""
    width = max(map(len, VERBS))
    listing = "\n".join(f"  {verb.ljust(width)}  {text}" for verb, text in VERBS.items())
    parser = argparse.ArgumentParser(
        prog="discreet",
        usage="discreet VERB [options]",
        description="Human parsing that keeps its training pictures secret.\n\nverbs:\n" + listing,
        epilog="discreet VERB --help says more. Every verb takes --json for one JSON object on stdout.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"discreet {__version__}")
    parser.add_argument("verb", choices=list(VERBS), metavar="VERB", help=argparse.SUPPRESS)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    try:
        return _run(argv)
    except KeyboardInterrupt:  # here, because importing a verb takes seconds
        sys.stderr.write("discreet: interrupted; nothing that was finished is lost\n")
        return 1


def _run(argv: Sequence[str] | None) -> int:
    """One verb, whose errors become a line."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] not in VERBS:
        overview = _overview()
        if not words:
            overview.print_help()
            return 2
        overview.parse_args(words[:1])  # prints help, the version or the error, and exits
    verb = words[0]
    module = importlib.import_module(f"discreet.cli.{verb}")
    # Without abbreviations: --no would be --no-private.
    parser = argparse.ArgumentParser(prog=f"discreet {verb}", description=module.HELP, allow_abbrev=False)
    module.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout, and nothing else there")
    arguments = parser.parse_args(words[1:])

    from discreet.cli.output import Output

    output = Output(as_json=arguments.json)
    try:
        if verb not in _ANY_NAMES:
            _refuse_other_than_utf8(words)
        return module.run(arguments, output)
    except DiscreetError as problem:
        output.error(str(problem))
        return 2 if isinstance(problem, UsageError) else 1
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains as it ends
        return 1
    except OSError as problem:
        where = problem.filename or ("the disk" if problem.errno in FULL_DISK else None)
        if where is None:
            raise  # not about a file: a fault of ours
        output.error(f"{where}: {problem.strerror}; check the path, who may write there, and the space left")
        return 1


def _refuse_other_than_utf8(words: Sequence[str]) -> None:
    """Refuse names that ledger, settings and cards could not note, before anything is written."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            shown = word.encode(errors="backslashreplace").decode()
            raise ConfigurationError(f"{shown} is not UTF-8, so no file could note it; rename it") from None
