"""The gate: each limit holds back who does not meet it, and evidence of other weights is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from discreet.cli.main import main
from discreet.data.people import generate_people
from discreet.errors import DiscreetError
from discreet.inference.exported import digest_of
from discreet.inference.models import exported_folder
from discreet.inference.promoted import require_promoted
from discreet.labels import label_set
from discreet.m2fp import build, save_model
from discreet.privacy.plan import PrivacyPlan
from discreet.privacy.statement import RunFacts, build_statement
from discreet.private_files import write_private
from discreet.signing import private_pem

Verb = Callable[..., tuple[int, dict[str, Any]]]
PRIVACY = "[privacy]\nmax_epsilon = 8\nmax_delta = 1e-5\n"
AUDIT = "[audit]\nmax_auc = 0.6\nmax_tpr_at_1_percent = 0.1\n"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures that the shipped network was made for."""
    out = tmp_path_factory.mktemp("pictures") / "street"
    generate_people(out, style="street", count=6, size_px=128, seed=9, workers=1)
    return out


@pytest.fixture
def promote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verb:
    """`discreet promote CANDIDATE --over CURRENT` with the text of LIMITS.toml; exit code, and what it said."""
    monkeypatch.setenv("DISCREET_STATE", str(tmp_path / "state"))

    def run(candidate: Path, limits: str, over: str = "m2fp-lite", *more: str) -> tuple[int, dict[str, Any]]:
        (tmp_path / "limits.toml").write_text(limits)
        words = ["promote", str(candidate), "--over", over, "--limits", str(tmp_path / "limits.toml"), "--json", *more]
        code = main(words)
        told = capsys.readouterr()
        return code, json.loads(told.out) if told.out else {"error": told.err}

    return run


def statement_of(weights: str | None, noise_multiplier: float = 2.0, **plan: Any) -> dict[str, Any]:
    planned = PrivacyPlan.for_noise(
        noise_multiplier=noise_multiplier, num_samples=1000, expected_batch_size=100, num_steps=20, delta=1e-5, **plan
    )
    facts = RunFacts(steps_executed=20, sensitivity=1.001, test_key=False, config_hash="0" * 64, model_sha256=weights)
    return json.loads(build_statement(planned, facts).to_json())


def audit_of(weights: str | None, verdict: str = "none found by these tests", high: float = 0.55) -> dict[str, Any]:
    point = {"false_positive_rate": 0.01, "true_positive_interval": [0.0, 0.05]}
    attacks = [
        {"name": "loss", "auc": 0.5, "auc_interval": [0.46, 0.54], "tpr_at_fpr": [point]},
        {"name": "combined", "auc": 0.51, "auc_interval": [0.47, high], "tpr_at_fpr": [point]},
    ]
    return {"model_sha256": weights, "verdict": verdict, "attacks": attacks}


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    """The shipped network, with evidence that is good."""
    folder = shutil.copytree(exported_folder("m2fp-lite"), tmp_path / "candidate")
    weights = weights_of(folder)
    (folder / "statement.json").write_text(json.dumps(statement_of(weights)))
    (folder / "audit").mkdir()
    (folder / "audit" / "audit.json").write_text(json.dumps(audit_of(weights)))
    return folder


def weights_of(folder: Path) -> str:
    return json.loads((folder / "model.json").read_text())["made_from"]


def failed(told: dict[str, Any]) -> set[str]:
    return {check["name"] for check in told["checks"] if not check["passed"]}


def test_who_meets_every_limit_is_promoted(promote: Verb, candidate: Path, pictures: Path, tmp_path: Path) -> None:
    limits = f'data = "people:{pictures}"\n[quality]\nmin_miou = 0.05\nmax_miou_loss = 0.0\n'
    limits += f"[latency]\nmax_ms = 60000\nmax_ratio = 50\n{PRIVACY}{AUDIT}"
    code, told = promote(candidate, limits)
    assert (code, told["passed"], failed(told)) == (0, True, set())
    assert {check["name"] for check in told["checks"]} == {
        "miou", "miou_loss", "latency_ms", "latency_ratio", "statement", "epsilon", "delta", "unit",
        "audit", "audit_verdict", "audit_auc", "audit_tpr_at_1_percent",
    }  # fmt: skip
    require_promoted(candidate, tmp_path / "state" / "promotion" / "public.pem")
    record = json.loads((candidate / "promotion.json").read_text())
    assert record["candidate"]["digest"] == digest_of(candidate)
    assert record["limits"] == limits


def test_a_network_that_parses_worse_is_held_back(promote: Verb, pictures: Path, tmp_path: Path) -> None:
    save_model(tmp_path / "random", build("m2fp-lite", 21, seed=0), label_set("cihp"), image_size=(64, 64))
    limits = f'data = "people:{pictures}"\npictures = 4\n[quality]\nmin_miou = 0.05\nmax_miou_loss = 0.02\n'
    code, told = promote(tmp_path / "random", limits)
    assert (code, failed(told)) == (1, {"miou", "miou_loss"})
    with pytest.raises(DiscreetError, match="held back"):
        require_promoted(tmp_path / "random", tmp_path / "state" / "promotion" / "public.pem")


def test_a_slow_one_is_held_back(promote: Verb, candidate: Path, pictures: Path) -> None:
    code, told = promote(candidate, f'data = "people:{pictures}"\n[latency]\nmax_ms = 0.01\nmax_ratio = 0.0001\n')
    assert (code, failed(told)) == (1, {"latency_ms", "latency_ratio"})


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        ("[privacy]\nmax_epsilon = 0.1\nmax_delta = 1e-5\n", "epsilon"),
        ("[privacy]\nmax_epsilon = 8\nmax_delta = 1e-6\n", "delta"),
        ('[privacy]\nmax_epsilon = 8\nmax_delta = 1e-5\nunit = "subject"\n', "unit"),
        ("[audit]\nmax_auc = 0.54\n", "audit_auc"),
        ("[audit]\nmax_auc = 0.6\nmax_tpr_at_1_percent = 0.04\n", "audit_tpr_at_1_percent"),
    ],
)
def test_each_limit_on_evidence_holds_back(promote: Verb, candidate: Path, limits: str, name: str) -> None:
    code, told = promote(candidate, limits)
    assert (code, failed(told)) == (1, {name})


def test_what_answers_and_inversion_give_away_counts(promote: Verb, candidate: Path) -> None:
    path, weights = candidate / "audit" / "audit.json", weights_of(candidate)
    audit = audit_of(weights, "leak found")
    label_map = {"name": "label map", "auc": 0.95, "auc_interval": [0.92, 0.97], "tpr_at_fpr": []}
    path.write_text(json.dumps({**audit, "answers": [label_map]}))
    code, told = promote(candidate, "[audit]\nmax_auc = 0.6\n")
    assert (code, failed(told)) == (1, {"audit_auc"})
    path.write_text(json.dumps({**audit, "inversion": {"leaks": True}}))
    code, told = promote(candidate, "[audit]\nmax_auc = 0.6\n")
    assert (code, failed(told)) == (1, {"audit_inversion"})
    path.write_text(json.dumps({**audit, "inversion": {"leaks": False}}))
    assert promote(candidate, "[audit]\nmax_auc = 0.6\n")[0] == 0
    path.write_text(json.dumps(audit_of(weights, "some verdict of another version")))
    assert failed(promote(candidate, "[audit]\nmax_auc = 0.6\n")[1]) == {"audit_verdict"}


def test_an_earlier_pass_does_not_outlive_a_later_refusal(promote: Verb, candidate: Path, tmp_path: Path) -> None:
    public = tmp_path / "state" / "promotion" / "public.pem"
    assert promote(candidate, PRIVACY)[0] == 0
    require_promoted(candidate, public)
    elsewhere = ["--out", str(tmp_path / "record.json")]
    assert promote(candidate, "[privacy]\nmax_epsilon = 0.1\nmax_delta = 1e-5\n", "m2fp-lite", *elsewhere)[0] == 1
    assert json.loads((tmp_path / "record.json").read_text())["passed"] is False
    with pytest.raises(DiscreetError, match="held back"):
        require_promoted(candidate, public)


def test_a_key_on_trial_does_not_replace_the_one_that_is_trusted(
    promote: Verb, candidate: Path, tmp_path: Path
) -> None:
    assert promote(candidate, PRIVACY)[0] == 0
    public = tmp_path / "state" / "promotion" / "public.pem"
    trusted = public.read_bytes()
    write_private(tmp_path / "trial.pem", private_pem(Ed25519PrivateKey.generate()))
    assert promote(candidate, PRIVACY, "m2fp-lite", "--key", str(tmp_path / "trial.pem"))[0] == 0
    assert public.read_bytes() == trusted
    with pytest.raises(DiscreetError):
        require_promoted(candidate, public)


def test_a_guarantee_for_persons_is_one_for_their_images(promote: Verb, candidate: Path) -> None:
    (candidate / "statement.json").write_text(json.dumps(statement_of(weights_of(candidate), unit="subject")))
    for unit in ("image", "subject"):
        assert promote(candidate, f'{PRIVACY}unit = "{unit}"\n')[0] == 0


@pytest.mark.parametrize("weights", ["f" * 64, None])
def test_evidence_of_other_weights_is_none(promote: Verb, candidate: Path, weights: str | None) -> None:
    (candidate / "statement.json").write_text(json.dumps(statement_of(weights)))
    (candidate / "audit" / "audit.json").write_text(json.dumps(audit_of(weights)))
    code, told = promote(candidate, PRIVACY + AUDIT)
    assert (code, failed(told)) == (1, {"statement", "audit"})


def test_no_evidence_is_no_guarantee(promote: Verb, candidate: Path) -> None:
    (candidate / "statement.json").unlink()
    (candidate / "audit" / "audit.json").unlink()
    code, told = promote(candidate, PRIVACY + AUDIT)
    assert (code, failed(told)) == (1, {"statement", "audit"})


def test_an_ordinary_run_guarantees_nothing(promote: Verb, candidate: Path) -> None:
    facts = RunFacts(
        steps_executed=20, sensitivity=0, test_key=False, config_hash="0" * 64, model_sha256=weights_of(candidate)
    )
    (candidate / "statement.json").write_text(build_statement(None, facts).to_json())
    code, told = promote(candidate, PRIVACY)
    assert (code, failed(told)) == (1, {"epsilon", "delta", "unit"})


@pytest.mark.parametrize("verdict", ["audit not valid", "claim refuted"])
def test_an_audit_that_says_nothing_or_refutes_holds_back(promote: Verb, candidate: Path, verdict: str) -> None:
    (candidate / "audit" / "audit.json").write_text(json.dumps(audit_of(weights_of(candidate), verdict)))
    assert failed(promote(candidate, AUDIT)[1]) == {"audit_verdict"}


def test_too_few_pictures_show_no_rate_of_one_percent(promote: Verb, candidate: Path) -> None:
    audit = audit_of(weights_of(candidate))
    for attack in audit["attacks"]:
        attack["tpr_at_fpr"] = []
    (candidate / "audit" / "audit.json").write_text(json.dumps(audit))
    assert failed(promote(candidate, AUDIT)[1]) == {"audit_tpr_at_1_percent"}


def test_a_later_decision_replaces_an_earlier_one(promote: Verb, candidate: Path, tmp_path: Path) -> None:
    public = tmp_path / "state" / "promotion" / "public.pem"
    assert promote(candidate, AUDIT)[0] == 0
    require_promoted(candidate, public)
    assert promote(candidate, "[audit]\nmax_auc = 0.5\n")[0] == 1
    with pytest.raises(DiscreetError, match="held back"):
        require_promoted(candidate, public)


def test_a_record_that_was_changed_or_is_of_another_network_is_refused(
    promote: Verb, candidate: Path, tmp_path: Path
) -> None:
    public = tmp_path / "state" / "promotion" / "public.pem"
    promote(candidate, "[audit]\nmax_auc = 0.5\n")
    record = candidate / "promotion.json"
    record.write_text(record.read_text().replace('"passed": false', '"passed": true'))
    with pytest.raises(DiscreetError, match="was changed since it was signed"):
        require_promoted(candidate, public)
    promote(candidate, AUDIT)
    other = shutil.copytree(exported_folder("m2fp-lite-imagenet"), tmp_path / "other")
    with pytest.raises(DiscreetError, match="another network"):
        require_promoted(other, public, record)
    with pytest.raises(DiscreetError, match="cannot be read"):
        require_promoted(other, public)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ("", "no limit"),
        ("[quality]\nmin_miou = 0.3\n", "SPEC"),
        ("[audit]\n", "max_auc"),
        ('data = "people:x"\n[quality]\n', "no limit"),
        ("[privacy]\nmax_epsilon = -1\nmax_delta = 1e-5\n", "max_epsilon"),
        ("[speed]\nmax_ms = 3\n", "speed"),
        ("what", "not valid TOML"),
    ],
)
def test_limits_that_make_no_sense_are_refused(promote: Verb, candidate: Path, limits: str, words: str) -> None:
    code, told = promote(candidate, limits)
    assert code == 1
    assert words in told["error"]
    assert not (candidate / "promotion.json").exists()


def test_damaged_evidence_is_named(promote: Verb, candidate: Path) -> None:
    (candidate / "statement.json").write_text("{}")
    assert "damaged" in promote(candidate, PRIVACY)[1]["error"]
    (candidate / "audit" / "audit.json").write_text("{")
    assert "damaged" in promote(candidate, AUDIT)[1]["error"]
