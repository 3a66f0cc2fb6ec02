"""Audits over time: what is remembered, when a release counts as worse, and the page and the cron line."""

from __future__ import annotations

import json
import shlex
import stat
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

import pytest

from discreet.auditing.gates import spent_alpha
from discreet.auditing.history import History, PastAudit, number_of_release, worse_than_before
from discreet.auditing.trend import trend_html, trend_svg
from discreet.cli.main import main
from discreet.errors import DataError

Interval = tuple[float, float]


def past(run: str, interval: Interval, *, valid: bool = True, attack: str = "loss", epsilon: float | None = 8.0):
    area = sum(interval) / 2
    attacks = [{"name": attack, "auc": area, "auc_interval": list(interval)}]
    found = {"valid": valid, "verdict": "none found by these tests", "epsilon": epsilon, "attacks": attacks}
    return PastAudit(f"id of {run}", run, datetime(2026, 11, 23, 12, tzinfo=UTC), found)


def test_what_was_added_is_read_back_by_data_set(tmp_path: Path) -> None:
    history = History(tmp_path / "audits.sqlite")
    first, second, other = past("one", (0.4, 0.6)), past("two", (0.5, 0.7)), past("three", (0.4, 0.6))
    for series, audit in (("a", first), ("b", other), ("a", second)):
        history.add(series, audit)
    assert History(tmp_path / "audits.sqlite").of("a") == [first, second]
    assert history.of("b") == [other]
    assert history.of("c") == []
    assert stat.S_IMODE((tmp_path / "audits.sqlite").stat().st_mode) == 0o600


def test_what_is_no_history_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "audits.sqlite"
    path.write_bytes(b"something else" * 100)
    with pytest.raises(DataError, match="move it away"):
        History(path)
    assert path.read_bytes().startswith(b"something else")


@pytest.mark.parametrize(
    ("interval", "is_worse"), [((0.62, 0.8), True), ((0.59, 0.8), False), ((0.3, 0.45), False)], ids=str
)
def test_worse_is_what_lies_wholly_above(interval: Interval, is_worse: bool) -> None:
    now = past("new", interval)
    found = worse_than_before([past("old", (0.4, 0.6))], now.run_id, now.found)
    assert bool(found) == is_worse
    assert not found or "does better than on old (AUC 0.71, 0.50 before)" in found[0]


def test_only_another_valid_release_with_the_same_attack_is_a_predecessor() -> None:
    now = past("new", (0.9, 0.95))
    for before in ([], [past("new", (0.4, 0.5))], [past("old", (0.4, 0.5), valid=False)],
                   [past("old", (0.4, 0.5), attack="lira")]):  # fmt: skip
        assert not worse_than_before(before, now.run_id, now.found)
    history = [past("old", (0.4, 0.5)), past("broken", (0.1, 0.2), valid=False), past("new", (0.9, 0.95))]
    assert worse_than_before(history, now.run_id, now.found), "the last valid one of another run counts"
    assert not worse_than_before(history, now.run_id, past("new", (0.9, 0.95), valid=False).found)


def test_releases_are_counted_and_share_the_chance_of_error() -> None:
    history = [past("one", (0.4, 0.6)), past("two", (0.4, 0.6)), past("one", (0.4, 0.6))]
    assert [number_of_release(history, f"id of {run}") for run in ("one", "two", "three")] == [1, 2, 3]
    assert sum(spent_alpha(0.05, number) for number in range(1, 10_000)) <= 0.05


def test_the_page_shows_every_audit_and_says_what_became_worse() -> None:
    audits = [past("first & <best>", (0.45, 0.6)), past("second", (0.7, 0.9), epsilon=None)]
    page = trend_html("folder:pictures", audits, ["the attack loss does better"])
    assert "is worse than the one before" in page
    assert "更差" in page
    assert "first &amp; &lt;best&gt;" in page
    assert "the attack loss does better" in page
    assert "no worse" in trend_html("folder:pictures", audits, [])
    assert "nothing to compare" in trend_html("folder:pictures", audits[:1], [])
    circles = [float(node.get("cy", "")) for node in ET.fromstring(trend_svg(audits)).iter() if node.tag == "circle"]
    assert len(circles) == 2
    assert circles[1] < circles[0], "more is higher up"


def test_the_cron_line_is_this_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISCREET_STATE", str(tmp_path / "the state"))
    monkeypatch.chdir(tmp_path)
    words = [
        "audit",
        "latest",
        "--schedule",
        "--pictures",
        "500",
        "--attacks",
        "loss,lira",
        "--shadows",
        "8",
        "--answers",
    ]
    assert main([*words, "--json"]) == 0
    line = json.loads(capsys.readouterr().out)["cron"]
    minute, hour, day, month, weekday, command = line.split(" ", 5)
    assert (minute, hour, day, month, weekday) == ("17", "3", "*", "*", "1")
    told = shlex.split(command)
    assert told[:4] == ["cd", str(tmp_path), "&&", f"DISCREET_STATE={tmp_path / 'the state'}"]
    assert told[4].endswith("/discreet")
    assert told[5:7] == ["audit", str(tmp_path / "latest")]
    assert told[7:] == ["--attacks", "loss,lira", "--pictures", "500", "--shadows", "8", "--answers"]
    assert main(["audit", "50%", "--schedule", "monthly"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("17 3 1 * * ")
    assert "50\\%" in printed
