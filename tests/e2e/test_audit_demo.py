"""`discreet audit --demo`, made small: two models of the same pictures, attacked side by side."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from discreet.auditing.pool import LEAST_TRIALS
from discreet.cli.main import main
from discreet.demo.audited import Size, tell_audit
from discreet.training.surroundings import silent


def test_the_model_that_learned_by_heart_is_told_from_the_private_one(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    found = tell_audit(out, silent, Size(num_pictures=LEAST_TRIALS + 4, image_size=64, by_heart=25, private=3))
    by_heart, private = found["by heart"], found["private"]
    assert by_heart.num_members == private.num_members == LEAST_TRIALS + 4
    assert by_heart.num_non_members >= LEAST_TRIALS
    assert by_heart.epsilon is None
    assert private.epsilon == pytest.approx(8, rel=1e-3)
    strongest = {name: max(attack.auc for attack in one.attacks) for name, one in found.items()}
    assert strongest["by heart"] > max(0.8, strongest["private"] + 0.1)
    page = (out / "report.html").read_text()
    assert page.count("<svg") == 2
    assert "死记硬背" in page
    for link in re.findall(r'href="([^"]+)"', page):
        assert "<svg" in (out / link).read_text()
    assert set(json.loads((out / "audits.json").read_text())) == {"by heart", "private"}


def test_without_a_run_the_way_out_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit"]) == 2
    assert "--demo" in capsys.readouterr().err
