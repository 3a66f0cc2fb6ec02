"""`discreet token` as a command: what stdout carries, what is said, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from discreet.cli.main import main
from discreet.errors import TokenError
from discreet.service.tokens import TokenVerifier, token_id


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DISCREET_STATE", str(tmp_path / "state"))
    return tmp_path / "state" / "service"


def _verifier(state: Path, issuer: str = "discreet", audience: str = "discreet") -> TokenVerifier:
    return TokenVerifier(state / "jwks.json", issuer=issuer, audience=audience, denylist=state / "denylist.txt")


def test_stdout_carries_the_token_alone(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--subject", "ada"]) == 0
    said = capsys.readouterr()
    caller = _verifier(state).verify(said.out.strip())
    assert (caller.subject, caller.scopes) == ("ada", {"parse"})
    assert "made a key" in said.err
    assert main(["token", "--subject", "ada"]) == 0
    assert "made a key" not in capsys.readouterr().err


def test_json_scopes_and_minutes(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["token", "--subject", "ada", "--minutes", "60", "--scope", "parse", "--scope", "admin", "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    caller = _verifier(state).verify(found["token"])
    assert (caller.scopes, caller.expires, caller.token_id) == ({"parse", "admin"}, found["expires"], found["id"])


def test_issuer_and_audience_are_the_services(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCREET_ISSUER", "here")
    monkeypatch.setenv("DISCREET_AUDIENCE", "there")
    main(["token", "--subject", "ada"])
    token = capsys.readouterr().out.strip()
    assert _verifier(state, "here", "there").verify(token)
    with pytest.raises(TokenError):
        _verifier(state).verify(token)


def test_more_than_a_day_is_refused(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--subject", "ada", "--minutes", "1441"]) == 1
    assert "issue again" in capsys.readouterr().err


@pytest.mark.parametrize("whole", [True, False])
def test_revoke_takes_an_id_or_the_token(state: Path, capsys: pytest.CaptureFixture[str], whole: bool) -> None:
    main(["token", "--subject", "ada"])
    token = capsys.readouterr().out.strip()
    assert main(["token", "--revoke", token if whole else token_id(token), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["revoked"] == token_id(token)
    with pytest.raises(TokenError, match="revoked"):
        _verifier(state).verify(token)


def test_rotate_and_list(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["token", "--subject", "ada"])
    old = capsys.readouterr().out.strip()
    assert main(["token", "--rotate"]) == 0
    assert main(["token", "--revoke", "some-id"]) == 0
    capsys.readouterr()
    assert main(["token", "--list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [key["accepted_until"] is None for key in found["keys"]] == [True, False]
    assert found["revoked"] == ["some-id"]
    assert _verifier(state).verify(old)
    assert main(["token", "--list"]) == 0
    assert "some-id" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--revoke", "some-id"], ["--list"]])
def test_a_lost_denylist_is_said_and_no_other_begun(
    state: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    main(["token", "--subject", "ada"])
    token = capsys.readouterr().out.strip()
    (state / "denylist.txt").unlink()
    assert main(["token", *words]) == 1
    assert f"{state / 'denylist.txt'} is missing" in capsys.readouterr().err
    assert not (state / "denylist.txt").exists()
    with pytest.raises(TokenError, match="denylist"):
        _verifier(state).verify(token)
    (state / "denylist.txt").touch()
    assert main(["token", *words]) == 0
    assert main(["token", "--revoke", token]) == 0


def test_a_denylist_elsewhere_is_begun_with_the_first_key_and_not_again(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "denylist.txt"
    monkeypatch.setenv("DISCREET_DENYLIST", str(elsewhere))
    assert main(["token", "--rotate"]) == 0
    assert elsewhere.exists()
    assert main(["token", "--revoke", "some-id"]) == 0
    elsewhere.unlink()
    assert main(["token", "--revoke", "some-id"]) == 1
    assert "is missing" in capsys.readouterr().err


def test_a_token_the_service_would_refuse_is_not_made(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs.json").write_text('{"keys": []}')
    monkeypatch.setenv("DISCREET_JWKS", str(tmp_path / "theirs.json"))
    assert main(["token", "--subject", "ada"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "ask that issuer" in said.err
    assert not state.exists()


def test_a_lost_denylist_of_another_issuer_is_not_begun_anew_with_a_first_key(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs.json").write_text('{"keys": []}')
    monkeypatch.setenv("DISCREET_JWKS", str(tmp_path / "theirs.json"))
    state.mkdir(parents=True, mode=0o700)  # a service has run here
    for words in (["--subject", "ada"], ["--rotate"]):
        assert main(["token", *words]) == 1
    assert "denylist.txt is missing" in capsys.readouterr().err
    assert not list(state.iterdir())
    (state / "denylist.txt").touch()
    assert main(["token", "--rotate"]) == 0


@pytest.mark.parametrize("words", [[], ["--subject", "a", "--rotate"], ["--rotate", "--list"]])
def test_it_does_one_thing(state: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["token", *words])
    assert caught.value.code == 2
