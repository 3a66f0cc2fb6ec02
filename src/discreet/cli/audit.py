"""`discreet audit`: attack a run's model, and say what was found."""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from discreet.auditing.history import PastAudit
    from discreet.auditing.inversion import FaceEncoder, InversionPlan
    from discreet.auditing.report import Exposed
    from discreet.auditing.result import AttackResult, Audit
    from discreet.cli.output import Output
    from discreet.training.settings import RunSettings

HELP = (
    "Attack a run's model: does it tell who it was trained on? The pictures are read without noise, and the ledger "
    "notes it. Exit 0: no leak found by these tests; 1: a leak, a refuted claim, or an audit that is not valid."
)


# Minute, hour, day of the month, month, day of the week.
_WHEN = {"daily": "17 3 * * *", "weekly": "17 3 * * 1", "monthly": "17 3 1 * *"}

_DEFAULTS = (("jobs", 1), ("engine", "processes"), ("confidence", 0.95))
# Of the most exposed members.
MOST_SHOWN = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A complete run's folder; pictures are those that its settings name."""
    parser.add_argument("run", type=Path, metavar="RUN", nargs="?")
    parser.add_argument(
        "--demo", action="store_true", help="attack an over-fitted model and a private one, side by side: ten minutes"
    )
    parser.add_argument(
        "--non-members",
        metavar="SPEC",
        help="pictures of the same pool, not trained on; by default data.evaluate. "
        "Where the run has canaries, these are the trials, and such pictures only serve to rehearse on",
    )
    parser.add_argument("--attacks", metavar="A,B", help="by default all; see docs/audit.md")
    parser.add_argument("--pictures", type=int, metavar="N", help="at most so many of each, drawn by lot")
    parser.add_argument(
        "--shadows", type=int, default=0, metavar="N", help="train N models like the run's on halves of the trials"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="shadow models at once")
    parser.add_argument("--engine", default="processes", help="that trains them: processes, or ray")
    parser.add_argument(
        "--answers", action="store_true", help="also what each kind of answer of a service gives away; some minutes"
    )
    parser.add_argument(
        "--inversion", type=int, default=0, metavar="N", help="try to draw N members and N others back; some minutes"
    )
    parser.add_argument(
        "--inversion-steps", type=int, metavar="N", help="of each search; more take longer and draw better"
    )
    parser.add_argument(
        "--face-encoder",
        metavar="MODULE:FUNCTION",
        help="recognises faces in what was drawn: takes uint8 RGB [H, W, 3], gives a vector, or None without a face",
    )
    parser.add_argument(
        "--confidence", type=float, default=0.95, help="of all statements about all releases together (default 0.95)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of lots")
    parser.add_argument(
        "--schedule",
        nargs="?",
        const="weekly",
        choices=tuple(_WHEN),
        help="audit nothing, but print the line for cron that does so weekly (or daily, monthly)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="by default RUN/audit, or runs/audit-demo")
    parser.add_argument(
        "--show-pictures", action="store_true", help="the most exposed members in the report; needs --out elsewhere"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Audit, write audit.json and report.html, and print the verdict."""
    from discreet.auditing.attacks import chosen_attacks
    from discreet.auditing.audited_run import run_settings
    from discreet.auditing.card import write_report
    from discreet.auditing.history import HISTORY_FILE, History, PastAudit, now, worse_than_before
    from discreet.auditing.result import NO_LEAK
    from discreet.auditing.trend import trend_html
    from discreet.cli.state import state_folder
    from discreet.errors import UsageError
    from discreet.training.run_folder import RUN_FILE, read_record, write_text

    if arguments.demo:
        return _demo(arguments, output)
    if arguments.run is None:
        raise UsageError("name the folder of a complete run, or try --demo")
    out: Path = arguments.out or arguments.run / "audit"
    _refuse(arguments, out)
    if arguments.schedule is not None:
        line = cron_line(arguments, state_folder())
        output.result({"cron": line})
        output.line(line)
        return 0
    attacks = chosen_attacks(arguments.attacks, shadows=arguments.shadows > 0)
    settings = run_settings(arguments.run)
    run_id, series = read_record(arguments.run / RUN_FILE).run_id, settings.data.train
    history = History(state_folder() / HISTORY_FILE)
    past = history.of(series)
    found, exposed = _attack(arguments, settings, attacks, run_id, past, output)
    _write(out, arguments.run.name, found, exposed)
    if out.resolve() == (arguments.run / "audit").resolve():  # elsewhere, the card does not know of it
        write_report(arguments.run)
    this = PastAudit(run_id, arguments.run.name, now(), found.to_json())
    worse = worse_than_before(past, run_id, this.found)
    history.add(series, this)
    # Not into the run's folder: who is handed that need not know of other runs.
    trend = state_folder() / f"audits-{hashlib.sha256(series.encode()).hexdigest()[:8]}.html"
    write_text(trend, trend_html(series, [*past, this], worse))
    output.result({**this.found, "worse": worse})
    _show(output, arguments.run, found)
    for sentence in worse:
        output.line(f"worse than before: {sentence}")
    output.line(f"{out / 'report.html'} shows it; all audits of this data set: {trend}")
    return 0 if found.verdict == NO_LEAK and not worse else 1


def _demo(arguments: argparse.Namespace, output: Output) -> int:
    """Both audits, side by side; whatever they find, the demo has done what it should."""
    from discreet.demo.audited import tell_audit

    out: Path = arguments.out or Path("runs/audit-demo")
    found = tell_audit(out, output.progress)
    output.result({name: one.to_json() for name, one in found.items()})
    for name, one in found.items():
        _show(output, Path(name), one)
    output.line(f"{out / 'report.html'} shows both")
    return 0


def _refuse(arguments: argparse.Namespace, out: Path) -> None:
    """Options that cannot be meant."""
    from discreet.auditing.shadows import ENGINES
    from discreet.errors import ConfigurationError

    if arguments.seed < 0:
        raise ConfigurationError(f"--seed is {arguments.seed}; give 0 or more")
    if arguments.engine not in ENGINES:
        raise ConfigurationError(f"--engine is {arguments.engine!r}; use one of {', '.join(ENGINES)}")
    if not 0.5 <= arguments.confidence < 1:
        raise ConfigurationError(f"--confidence is {arguments.confidence}; give 0.5 to below 1, e.g. 0.95")
    if arguments.pictures is not None and arguments.pictures < 1:
        raise ConfigurationError(f"--pictures is {arguments.pictures}; give at least 1")
    if arguments.show_pictures and out.resolve().is_relative_to(arguments.run.resolve()):
        raise ConfigurationError(
            f"--show-pictures would put private pictures into {out}, which may be handed out; name --out elsewhere"
        )
    there = next(folder for folder in (out, *out.parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):  # said now, not after hours
        raise ConfigurationError(f"{out} cannot be written, because of {there}; name --out elsewhere")


def _inversion_plan(arguments: argparse.Namespace) -> InversionPlan | None:
    """What of inversion is to be tried."""
    from discreet.auditing.inversion import STEPS, InversionPlan
    from discreet.errors import ConfigurationError

    if not arguments.inversion:
        if arguments.face_encoder or arguments.inversion_steps:
            raise ConfigurationError("--face-encoder and --inversion-steps need --inversion N")
        return None
    encode = None if arguments.face_encoder is None else _named(arguments.face_encoder)
    return InversionPlan(arguments.inversion, encode, arguments.inversion_steps or STEPS)


def _named(place: str) -> FaceEncoder:
    """What MODULE:FUNCTION means, seen from the current folder."""
    import importlib
    import sys

    from discreet.errors import ConfigurationError

    module, _, function = place.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as problem:
        raise ConfigurationError(f"--face-encoder {place}: {problem}; give MODULE:FUNCTION") from None
    finally:
        sys.path.pop(0)


def _attack(
    arguments: argparse.Namespace,
    settings: RunSettings,
    attacks: list[str],
    run_id: str,
    past: list[PastAudit],
    output: Output,
) -> tuple[Audit, list[Exposed]]:
    """Note the access, audit, and find the pictures to show."""
    from discreet.auditing.audit import AuditPlan, audit
    from discreet.auditing.audited_run import open_trials, read_audited_run
    from discreet.auditing.gates import spent_alpha
    from discreet.auditing.history import number_of_release
    from discreet.auditing.report import Exposed
    from discreet.auditing.shadows import ShadowRecipe, forget
    from discreet.cli.state import state_folder
    from discreet.errors import ConfigurationError
    from discreet.inference.models import start_folder
    from discreet.privacy.ledger import Ledger
    from discreet.training.private_data import picture_bytes
    from discreet.training.run import LEDGER_FILE

    inverting = _inversion_plan(arguments)
    trials = open_trials(settings, arguments.run, state_folder(), arguments.non_members)
    if trials.canaries is not None and arguments.pictures is not None:
        raise ConfigurationError("the run has canaries, which are guessed all together; leave out --pictures")
    start = start_folder(settings.model.init)
    audited = read_audited_run(arguments.run, start)
    recipe = None
    if arguments.shadows:
        folder = state_folder() / "audits" / run_id
        recipe = ShadowRecipe(settings, start, folder, arguments.shadows, arguments.jobs, arguments.engine)
    with Ledger.open(state_folder() / LEDGER_FILE) as ledger:
        for source in trials.sources:
            ledger.record_evaluation(ledger.fingerprint(picture_bytes(source)), source.spec)
    plan = AuditPlan(
        attacks,
        at_most=arguments.pictures,
        shadows=recipe,
        answers=arguments.answers,
        inverting=inverting,
        confidence=1 - spent_alpha(1 - arguments.confidence, number_of_release(past, run_id)),
        seed=arguments.seed,
    )
    found = audit(audited, trials.members, trials.non_members, plan, canaries=trials.canaries, progress=output.progress)
    if recipe is not None:
        forget(recipe)
    if not arguments.show_pictures:
        return found.without_pictures(), []
    position = {name: index for index, name in enumerate(trials.members.names)}
    surest = [name for name in found.exposed[:MOST_SHOWN] if name in position]
    return found, [Exposed(name, trials.members[position[name]].image) for name in surest]


def _write(out: Path, run: str, found: Audit, exposed: list[Exposed]) -> None:
    """audit.json and report.html."""
    import json

    from discreet.auditing.card import AUDIT_FILE
    from discreet.auditing.report import audit_html
    from discreet.training.run_folder import write_text

    out.mkdir(parents=True, exist_ok=True)
    write_text(out / AUDIT_FILE, json.dumps(found.to_json(), indent=1, ensure_ascii=False) + "\n")
    write_text(out / "report.html", audit_html(run, found, exposed))


def _show(output: Output, run: Path, found: Audit) -> None:
    """The verdict, the attacks and the bounds, on the terminal."""
    output.line(f"verdict: {found.verdict}")
    for problem in found.problems:
        output.line(f"  {problem}")
    output.table(
        f"attacks on {run} ({found.num_members} members, {found.num_non_members} non-members)",
        ("attack", "AUC", "interval", "true positives at 1 % false ones"),
        [(a.name, f"{a.auc:.3f}", f"{a.auc_interval[0]:.3f} … {a.auc_interval[1]:.3f}", _at_one_percent(a))
         for a in (*found.attacks, found.blind, found.negative_control, found.positive_control) if a is not None],
    )  # fmt: skip
    for bound in found.bounds:
        condition = f", if {bound.conditional}" if bound.conditional else ""
        output.line(
            f"ε is at least {bound.epsilon_lower_bound:.2f} ({bound.method}{condition}; "
            f"at most {bound.epsilon_ceiling:.2f} could be shown)"
        )
    if found.inversion is not None:
        gap = found.inversion.similarity
        output.line(
            f"drawn back: members gain {gap.members:+.3f} of similarity, others {gap.controls:+.3f} (p = "
            f"{gap.p_value:.3g} over {found.inversion.num_pairs} pairs)"
        )


def cron_line(arguments: argparse.Namespace, state: Path) -> str:
    """What cron is to run: this command with these options, absolute paths and this state folder."""
    import shlex
    import sys

    words: list[object] = [Path(sys.executable).parent / "discreet", "audit", arguments.run.absolute()]
    options = (
        "non_members", "attacks", "pictures", "shadows", "jobs", "engine", "inversion", "inversion_steps",
        "face_encoder", "confidence", "seed", "out",
    )  # fmt: skip
    for option in options:
        value = getattr(arguments, option)
        if value not in (None, 0) and (option, value) not in _DEFAULTS:
            words += [f"--{option.replace('_', '-')}", value.absolute() if isinstance(value, Path) else value]
    if arguments.answers:
        words.append("--answers")
    command = " ".join(shlex.quote(str(word)) for word in words)
    place = f"cd {shlex.quote(str(Path.cwd()))} && DISCREET_STATE={shlex.quote(str(state.absolute()))}"
    # A percent sign ends a command in cron.
    return f"{_WHEN[arguments.schedule]} {place} {command}".replace("%", "\\%")


def _at_one_percent(attack: AttackResult) -> str:
    """The operating point at 1 %, where so many non-members can show one."""
    for point in attack.tpr_at_fpr:
        if point.false_positive_rate == 0.01:
            low, high = point.true_positive_interval
            return f"{point.true_positive_rate:.3f} ({low:.3f} … {high:.3f})"
    return "too few to say"
