"""The command itself: quick help, exit codes, one JSON object, errors in one line."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from discreet.cli.main import VERBS, main
from discreet.cli.output import Output
from discreet.privacy.ledger import Ledger

HELP_LIMIT_S = 0.3
SIZES = ("--num-samples", "1000", "--batch-size", "100", "--epochs", "2")


def run_discreet(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "discreet", *words], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("words", [["--help"], *[[verb, "--help"] for verb in VERBS]], ids=" ".join)
def test_help_answers_at_once(words: list[str]) -> None:
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        done = run_discreet(*words)
        seconds.append(time.perf_counter() - started)
        assert done.returncode == 0
        assert "usage: discreet" in done.stdout
    assert statistics.median(seconds) < HELP_LIMIT_S


def test_every_verb_takes_json() -> None:
    for verb in VERBS:
        assert "--json" in run_discreet(verb, "--help").stdout


def test_wrong_usage_exits_with_2_and_refusals_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["fly"])
    assert caught.value.code == 2
    assert main([]) == 2
    words = ["plan", "--num-samples", "100", "--batch-size", "200", "--epochs", "3", "--epsilon", "1"]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert "expected_batch_size is 200" in error
    assert "Traceback" not in error


def test_a_file_in_the_way_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    assert main(["parse", "picture.jpg", "--out", str(in_the_way)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"discreet: {in_the_way}: File exists; check the path")
    monkeypatch.setenv("DISCREET_STATE", str(in_the_way))
    assert main(["ledger", "show", "folder:nowhere"]) == 1
    assert f"{in_the_way} cannot be the state folder" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk at hand")
@pytest.mark.parametrize("more", [[], ["--json"]], ids=["for people", "json"])
def test_a_full_disk_is_one_line(more: list[str]) -> None:
    words = [sys.executable, "-m", "discreet", "plan", *SIZES, "--epsilon", "8", *more]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 1
    said = "the disk: No space left on device; check the path, who may write there, and the space left"
    assert done.stderr == f"discreet: {said}\n"


@pytest.mark.parametrize("where", ["discreet.cli.main.importlib.import_module", "discreet.cli.plan.run"])
def test_ctrl_c_is_one_line_also_while_a_verb_is_imported(
    where: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(where, interrupted)
    assert main(["plan", "--num-samples", "9"]) == 1
    assert capsys.readouterr().err == "discreet: interrupted; nothing that was finished is lost\n"


def test_plan_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "--num-samples", "1716", "--batch-size", "512", "--epochs", "60", "--noise-multiplier", "4"]
    assert main([*words, "--delta", "1e-5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["num_steps"] == 201
    assert found["epsilon"] == pytest.approx(4.846, abs=1e-3)
    assert found["cross_check"] == pytest.approx(4.856, abs=1e-3)
    assert found["neighbouring_relation"] == "add_or_remove_one"
    assert {"mu", "delta", "noise_multiplier", "sample_rate", "expected_batch_size", "accountant"} <= found.keys()


def test_what_is_printed_is_what_was_said(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.line("fingerprint 2E:AB:D0 [red]")
    output.note("fingerprint 2E:AB:D0 [red]")
    told = capsys.readouterr()
    assert told.out == told.err == "fingerprint 2E:AB:D0 [red]\n"


def test_plans_are_compared_where_nothing_was_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--num-samples", "10000", "--epsilon", "8", "--json"]) == 0
    plans = json.loads(capsys.readouterr().out)["plans"]
    assert [plan["epochs"] for plan in plans] == [3, 10, 30]
    assert all(plan["epsilon"] <= 8 and 0 < plan["expected"]["kept"] < 1 for plan in plans)
    assert plans[0]["expected"]["kept"] < plans[-1]["expected"]["kept"]
    assert main(["plan", "--num-samples", "10000", "--noise-multiplier", "1"]) == 2
    assert "--epochs" in capsys.readouterr().err


def test_a_lost_ledger_is_no_unspent_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISCREET_STATE", str(tmp_path))
    assert main(["ledger", "verify"]) == 1
    assert "DISCREET_STATE" in capsys.readouterr().err
    Ledger.open(tmp_path / "ledger.sqlite").close()
    assert main(["ledger", "verify"]) == 0
    for path in tmp_path.glob("ledger.sqlite*"):
        if path.suffix != ".key":
            path.unlink()
    leaving = ["export", "m2fp-lite", "--to", "m2fp", "--out", str(tmp_path / "exported")]
    for words in (["ledger", "verify"], ["ledger", "show", "people:nowhere"], leaving):
        assert main(words) == 1
        assert "bring back ledger.sqlite" in capsys.readouterr().err, words
    assert not (tmp_path / "exported").exists()


def test_names_with_brackets_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table("a [/x]", ("[b]",), [("o[/y]",)])
    told = capsys.readouterr().out
    assert all(text in told for text in ("a [/x]", "[b]", "o[/y]"))


def test_a_terminal_that_knows_few_letters_still_gets_the_answer() -> None:
    words = [sys.executable, "-m", "discreet", "plan", *SIZES, "--epsilon", "8"]
    for more in ([], ["--json"]):
        done = subprocess.run(
            [*words, *more], capture_output=True, text=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}
        )
        assert done.returncode == 0, done.stderr
        assert "num_steps" in done.stdout


def test_a_reader_that_has_seen_enough_is_no_fault() -> None:
    command = f"{sys.executable} -m discreet plan {' '.join(SIZES)} --epsilon 8 --json | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.parametrize(
    "words",
    [
        ["--num-samples", "0"],
        ["--num-samples", "-5"],
        ["--num-samples", "100", "--epochs", "-3"],
        ["--num-samples", "100", "--epochs", "nan", "--epsilon", "8"],
        ["--num-samples", "100", "--epochs", "3", "--batch-size", "20", "--epsilon", "1e-9"],
        ["--num-samples", "100", "--epochs", "3", "--batch-size", "20", "--noise-multiplier", "1e9"],
        ["--num-samples", "100", "--epochs", "3", "--batch-size", "20", "--noise-multiplier", "1e4"],
        ["--num-samples", "100", "--epochs", "3", "--batch-size", "20", "--noise-multiplier", "1e-300"],
        ["--num-samples", "1000000000000", "--epochs", "3", "--batch-size", "20", "--noise-multiplier", "1"],
    ],
    ids=" ".join,
)
def test_sizes_of_nothing_are_one_clear_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *words]) == 1
    assert "discreet: " in capsys.readouterr().err


def test_next_to_no_noise_is_one_json_object_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Another accountant finds no ε there."""
    sizes = ["--num-samples", "1000", "--batch-size", "1000", "--epochs", "1"]
    assert main(["plan", *sizes, "--noise-multiplier", "0.05", "--delta", "1e-5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["mu"] == pytest.approx(20, rel=1e-3)


@pytest.mark.parametrize(
    "words",
    [
        ["ledger", "show"],
        ["ledger", "cap", "people:nowhere"],
        ["audit"],
        ["serve", "--port", "abc"],
        ["serve", "--faces", "bogus"],
        ["token", "--subject", "a", "--drop-old"],
        ["train", "RUN.toml", "--out", "run", "--set", "nonsense"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISCREET_STATE", str(tmp_path / "state"))
    Path("RUN.toml").write_text('[data]\ntrain = "people:nowhere"\n')
    try:
        code = main(words)
    except SystemExit as problem:
        code = problem.code
    assert code == 2
    assert not Path("run").exists()


def test_a_plan_says_what_to_expect(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--num-samples", "10000", "--epochs", "2", "--epsilon", "8"]) == 0
    told = capsys.readouterr().out
    assert "expected to be kept" in told
    assert "rule of thumb" in told


@pytest.mark.parametrize(
    "words",
    [["train", "RUN.toml", "--out", "run", "--no"], ["plan", *SIZES, "--noise", "1"], ["--vers"]],
    ids=" ".join,
)
def test_an_option_is_written_whole(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2


@pytest.mark.parametrize(
    "words", [["--seed", "-1"], ["--engine", "foo"], ["--engine", "foo", "--schedule"]], ids=" ".join
)
def test_an_audit_that_cannot_be_meant_is_refused_before_anything(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(tmp_path / "nowhere"), *words]) == 1
    assert f"discreet: {words[0]} is" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["evaluate", "m2fp-lite", "--data", "folder:bad\udcff"], ["train", "RUN.toml", "--out", "bad\udcff"]]
)
def test_a_name_that_no_file_could_note_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 1
    assert "bad\\udcff is not UTF-8, so no file could note it; rename it" in capsys.readouterr().err


@pytest.mark.parametrize("init", ['we"ird', "C:\\new", "形"])
def test_a_start_may_have_any_name(init: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "RUN.toml").write_text('[data]\ntrain = "folder:nowhere"\n[training]\nepochs = 1\n')
    assert main(["train", str(tmp_path / "RUN.toml"), "--out", str(tmp_path / "run"), "--init", init]) == 1
    assert f"discreet: {init} is neither a folder" in capsys.readouterr().err
