"""The service's own issuer: files and modes, rotation, revocation, several at once."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from discreet.errors import ConfigurationError, TokenError
from discreet.service import token_keys
from discreet.service.token_keys import issue, make_keys, overview, revoke, rotate
from discreet.service.tokens import MAX_LIFETIME_S, TokenVerifier, token_id


def _issue(folder: Path, subject: str = "ada", minutes: int = 15, scopes: tuple[str, ...] = ("parse",)) -> str:
    return issue(folder, subject, minutes, scopes, "discreet", "discreet")[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "service"


@pytest.fixture
def verifier(folder: Path) -> TokenVerifier:
    denylist = folder / token_keys.DENYLIST_FILE
    return TokenVerifier(folder / token_keys.JWKS_FILE, issuer="discreet", audience="discreet", denylist=denylist)


def test_a_token_is_issued_and_accepted(folder: Path, verifier: TokenVerifier) -> None:
    token, expires = issue(folder, "ada", 15, ["parse", "metrics"], "discreet", "discreet")
    caller = verifier.verify(token)
    assert (caller.subject, caller.scopes, caller.expires) == ("ada", {"parse", "metrics"}, expires)
    assert expires == pytest.approx(time.time() + 900, abs=5)


def test_only_the_owner_can_read_what_is_written(folder: Path) -> None:
    _issue(folder)
    revoke(folder / token_keys.DENYLIST_FILE, "some-id")
    rotate(folder)
    paths = list(folder.rglob("*"))
    assert {path.suffix for path in paths} >= {".pem", ".json", ".txt"}
    for path in [folder, *paths]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_the_set_of_public_keys_holds_no_private_one(folder: Path) -> None:
    make_keys(folder)
    assert "d" not in json.loads((folder / token_keys.JWKS_FILE).read_text())["keys"][0]


def test_keys_are_made_once(folder: Path) -> None:
    assert make_keys(folder) is not None
    assert make_keys(folder) is None


@pytest.mark.parametrize("make", [make_keys, rotate])
def test_the_first_key_begins_the_denylist_and_no_later_one_does(folder: Path, make: Callable[..., object]) -> None:
    denylist = folder / token_keys.DENYLIST_FILE
    make(folder)
    assert denylist.exists()
    assert token_keys.read_denylist(denylist) == {}
    revoke(denylist, "some-id")
    make(folder)
    assert set(token_keys.read_denylist(denylist)) == {"some-id"}
    denylist.unlink()
    for again in (make_keys, rotate):
        again(folder)
    rotate(folder, drop_old=True)
    _issue(folder)
    assert not denylist.exists()


def test_a_denylist_elsewhere_is_begun_with_the_first_key_too(folder: Path, tmp_path: Path) -> None:
    make_keys(folder, tmp_path / "elsewhere" / "denylist.txt")
    assert (tmp_path / "elsewhere" / "denylist.txt").exists()
    assert not (folder / token_keys.DENYLIST_FILE).exists()


def test_rotation_keeps_old_tokens_and_destroys_the_old_key(folder: Path, verifier: TokenVerifier) -> None:
    old = _issue(folder)
    (old_key,) = (folder / token_keys.KEYS_FOLDER).glob("*.pem")
    new_id = rotate(folder)
    assert not old_key.exists()
    assert [path.stem for path in (folder / token_keys.KEYS_FOLDER).glob("*.pem")] == [new_id]
    assert verifier.verify(old)
    assert verifier.verify(_issue(folder))
    (signs, none), (former, until) = overview(folder)
    assert (signs, none, former) == (new_id, None, old_key.stem)
    assert until == pytest.approx(time.time() + MAX_LIFETIME_S, abs=5)


def test_an_old_key_leaves_the_set_when_its_last_token_has_expired(folder: Path, verifier: TokenVerifier) -> None:
    old = _issue(folder)
    rotate(folder)
    path = folder / token_keys.JWKS_FILE
    held = json.loads(path.read_text())
    held["keys"][1]["exp"] = int(time.time()) - 60
    path.write_text(json.dumps(held))
    with pytest.raises(TokenError, match="key"):
        verifier.verify(old)
    assert len(overview(folder)) == 1
    rotate(folder)
    assert len(json.loads(path.read_text())["keys"]) == 2


def test_a_second_rotation_does_not_prolong_an_old_key(folder: Path) -> None:
    make_keys(folder)
    first = overview(folder)[0][0]
    rotate(folder)
    path = folder / token_keys.JWKS_FILE
    held = json.loads(path.read_text())
    held["keys"][1]["exp"] -= 1000
    path.write_text(json.dumps(held))
    rotate(folder)
    assert dict(overview(folder))[first] == held["keys"][1]["exp"]


def test_after_a_theft_old_keys_are_dropped_at_once(folder: Path, verifier: TokenVerifier) -> None:
    old = _issue(folder)
    rotate(folder, drop_old=True)
    with pytest.raises(TokenError, match="key"):
        verifier.verify(old)
    assert verifier.verify(_issue(folder))


def test_revoking_refuses_one_token_only(folder: Path, verifier: TokenVerifier) -> None:
    one, other = _issue(folder), _issue(folder)
    revoke(folder / token_keys.DENYLIST_FILE, token_id(one))
    with pytest.raises(TokenError) as caught:
        verifier.verify(one)
    assert caught.value.reason == "revoked"
    assert verifier.verify(other)


def test_the_denylist_forgets_what_has_expired_and_keeps_what_an_operator_wrote(folder: Path) -> None:
    make_keys(folder)
    denylist = folder / token_keys.DENYLIST_FILE
    denylist.write_text("by-hand\nlong-ago 1000\nrecent 99999999999\n")
    revoke(denylist, "now")
    assert set(token_keys.read_denylist(denylist)) == {"by-hand", "recent", "now"}


def test_a_damaged_denylist_is_not_overwritten(folder: Path) -> None:
    make_keys(folder)
    denylist = folder / token_keys.DENYLIST_FILE
    denylist.write_bytes(b"a b c d\n")
    with pytest.raises(ConfigurationError, match="damaged"):
        revoke(denylist, "now")
    assert denylist.read_bytes() == b"a b c d\n"


@pytest.mark.parametrize("minutes", [0, -1, 1441, 10**9])
def test_minutes_have_a_range_and_the_message_says_how_to_get_longer_access(folder: Path, minutes: int) -> None:
    with pytest.raises(ConfigurationError, match=r"1 to 1440.*issue again"):
        _issue(folder, minutes=minutes)
    assert not folder.exists()


@pytest.mark.parametrize("subject", ["", "a b", "a\n", "a" * 129, "\x00"])
def test_subjects_are_names(folder: Path, subject: str) -> None:
    with pytest.raises(ConfigurationError, match="subject"):
        _issue(folder, subject)


@pytest.mark.parametrize("scopes", [(), ("everything",), ("parse", "Parse")])
def test_scopes_are_known_ones(folder: Path, scopes: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="scopes"):
        _issue(folder, scopes=scopes)


def test_a_key_that_others_can_read_is_not_used(folder: Path) -> None:
    _issue(folder)
    (key,) = (folder / token_keys.KEYS_FOLDER).glob("*.pem")
    key.chmod(0o640)
    with pytest.raises(ConfigurationError, match="0640"):
        _issue(folder)


def test_a_folder_that_others_can_read_is_not_used(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    with pytest.raises(ConfigurationError, match="chmod 700"):
        _issue(folder)


def test_a_lost_key_or_set_says_the_way_out(folder: Path) -> None:
    _issue(folder)
    (key,) = (folder / token_keys.KEYS_FOLDER).glob("*.pem")
    key.unlink()
    with pytest.raises(ConfigurationError, match="--rotate"):
        _issue(folder)
    (folder / token_keys.JWKS_FILE).write_text("{")
    with pytest.raises(ConfigurationError, match="damaged"):
        _issue(folder)
    rotate(folder, drop_old=True)
    assert _issue(folder)


def test_many_first_uses_at_once_make_one_key(folder: Path, verifier: TokenVerifier) -> None:
    code = (
        "import sys, pathlib; from discreet.service.token_keys import issue; "
        "print(issue(pathlib.Path(sys.argv[1]), 'ada', 1, ['parse'], 'discreet', 'discreet')[0])"
    )
    command = [sys.executable, "-c", code, str(folder)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    tokens = [process.communicate(timeout=60)[0].strip() for process in running]
    assert len(list((folder / token_keys.KEYS_FOLDER).glob("*.pem"))) == 1
    for token in tokens:
        assert verifier.verify(token)
