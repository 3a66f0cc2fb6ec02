"""`discreet card`: written, signed, and told apart from what was changed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from discreet.cli.main import main
from discreet.privacy.plan import PrivacyPlan
from discreet.privacy.statement import RunFacts, build_statement


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with a statement."""
    plan = PrivacyPlan.for_noise(
        noise_multiplier=1.0, num_samples=1000, expected_batch_size=100, num_steps=20, delta=1e-5
    )
    facts = RunFacts(steps_executed=20, sensitivity=1.001, test_key=False, config_hash="0" * 64)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "statement.json").write_text(build_statement(plan, facts).to_json())
    return tmp_path / "run"


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A private key and its public half, by OpenSSL."""
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(private)], check=True)
    private.chmod(0o600)
    subprocess.run(["openssl", "pkey", "-in", str(private), "-pubout", "-out", str(public)], check=True)
    return private, public


@pytest.mark.parametrize("form", ["html", "md", "json"])
def test_a_signed_card_is_verified(
    run: Path, keys: tuple[Path, Path], tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    private, public = keys
    card = tmp_path / f"card.{form}"
    assert main(["card", str(run), "--format", form, "--out", str(card), "--key", str(private)]) == 0
    assert "fingerprint" in capsys.readouterr().out
    assert main(["card", str(card), "--verify", str(public), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["intact"] is True
    card.write_text(card.read_text().replace("1000", "9000"))
    assert main(["card", str(card), "--verify", str(public)]) == 1
    assert "was changed since it was signed" in capsys.readouterr().err


def test_a_key_without_a_file_to_sign_is_refused(
    run: Path, keys: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["card", str(run), "--key", str(keys[0])]) == 2
    assert "--out" in capsys.readouterr().err


def test_a_file_has_the_form_that_was_asked_for(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["card", str(run), "--format", "html", "--out", str(tmp_path / "card.html"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run"] == "run"
    assert (tmp_path / "card.html").read_text().startswith("<!doctype html>")


def test_without_a_key_nothing_is_signed(run: Path, tmp_path: Path) -> None:
    assert main(["card", str(run), "--out", str(tmp_path / "card.md")]) == 0
    assert not (tmp_path / "card.md.sig").exists()


@pytest.mark.parametrize("name", ["statement.json", "metrics.json"])
@pytest.mark.parametrize("content", ["{", "[1]", "\udcff"])
def test_a_damaged_file_is_one_line(run: Path, name: str, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    (run / name).write_text(content, errors="surrogateescape")
    assert main(["card", str(run)]) == 1
    assert capsys.readouterr().err == f"discreet: {run / name} is damaged; copy the run's folder anew\n"


def audited(run: Path) -> None:
    """What `discreet audit` leaves in a run's folder, as far as a card reads it."""
    attack = {"name": "loss", "auc": 0.51, "auc_interval": [0.45, 0.57]}
    bound = {"conditional": "", "epsilon_lower_bound": 0.0}
    told = {"verdict": "none found by these tests", "problems": [], "attacks": [attack], "bounds": [bound]}
    (run / "audit").mkdir()
    (run / "audit" / "audit.json").write_text(
        json.dumps({**told, "num_members": 20, "num_non_members": 52, "confidence": 0.95})
    )


@pytest.mark.parametrize("form", ["html", "md", "json"])
def test_an_audit_is_named_among_what_epsilon_does_not_cover(run: Path, tmp_path: Path, form: str) -> None:
    card = tmp_path / f"card.{form}"
    assert main(["card", str(run), "--format", form, "--out", str(card)]) == 0
    assert "an audit: results of attacks on training pictures" not in card.read_text()
    audited(run)
    assert main(["card", str(run), "--format", form, "--out", str(card)]) == 0
    text = card.read_text()
    assert "an audit: results of attacks on training pictures, computed and shown without noise" in text
    touches = json.loads((run / "statement.json").read_text())["data_touches"]
    assert all(touch in text for touch in touches), "what the statement names stays"
