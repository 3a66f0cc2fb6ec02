"""`discreet token`: tokens for the service, its keys, and what is revoked."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from discreet.cli.output import Output
    from discreet.service.settings import ServiceSettings

HELP = (
    "Make a token for the service: stdout carries the token alone. The first one makes the key. Issuer, audience and "
    "denylist are those of DISCREET_ISSUER, DISCREET_AUDIENCE and DISCREET_DENYLIST, as for discreet serve."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One of --subject, --rotate, --revoke, --list."""
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--subject", metavar="NAME", help="make a token for this user or client")
    action.add_argument("--rotate", action="store_true", help="sign with a new key from now on")
    action.add_argument("--revoke", metavar="ID", help="refuse a token from now on: its id (jti), or the token itself")
    action.add_argument("--list", action="store_true", help="show the keys and what is revoked")
    parser.add_argument("--minutes", type=int, default=15, help="how long it is valid, 1 to 1440 (default 15)")
    parser.add_argument(
        "--scope", action="append", metavar="SCOPE", help="parse, metrics or admin; may be repeated (default parse)"
    )
    parser.add_argument(
        "--drop-old", action="store_true",
        help="with --rotate: accept what older keys signed no more, at once (after a key was stolen)",
    )  # fmt: skip


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Do the one thing that was asked."""
    from discreet.cli.state import state_folder
    from discreet.errors import DependencyError, UsageError
    from discreet.service.settings import read_settings

    try:
        import discreet.service.token_keys  # noqa: F401
    except ModuleNotFoundError as missing:
        raise DependencyError(f"{missing.name} is not installed; pip install 'discreet[serve]'") from None
    if arguments.drop_old and not arguments.rotate:
        raise UsageError("--drop-old goes with --rotate")
    settings = read_settings()
    folder = state_folder() / "service"
    if arguments.rotate:
        return _rotate(folder, settings, arguments.drop_old, output)
    if arguments.revoke is not None:
        return _revoke(folder, settings, arguments.revoke, output)
    if arguments.list:
        return _list(folder, settings, output)
    return _issue(folder, settings, arguments, output)


def _issue(folder: Path, settings: ServiceSettings, arguments: argparse.Namespace, output: Output) -> int:
    """Print a token, and on stderr what is to be known of it."""
    from discreet.errors import ConfigurationError
    from discreet.service.token_keys import JWKS_FILE, issue, key_ids, make_keys
    from discreet.service.tokens import token_id

    if settings.jwks is not None:  # before a first key, which would begin a denylist
        own = key_ids(folder / JWKS_FILE) if (folder / JWKS_FILE).exists() else set[str]()
        if not key_ids(settings.jwks) & own:
            raise ConfigurationError(
                f"the service takes tokens by the keys in {settings.jwks}, which has none of {folder / JWKS_FILE}; "
                "ask that issuer for tokens, or unset DISCREET_JWKS"
            )
    made = make_keys(folder, settings.denylist)
    if made is not None:
        output.note(f"made a key to sign tokens with, in {folder}; services read its public half in {JWKS_FILE} there")
    token, expires = issue(
        folder, arguments.subject, arguments.minutes, arguments.scope or ["parse"], settings.issuer, settings.audience
    )
    output.result({"token": token, "expires": expires, "id": token_id(token)})
    output.line(token)
    output.note(f"valid until {_moment(expires)}; to end it sooner: discreet token --revoke {token_id(token)}")
    return 0


def _rotate(folder: Path, settings: ServiceSettings, drop_old: bool, output: Output) -> int:
    """A new key."""
    from discreet.service.token_keys import DENYLIST_FILE, require_denylist, rotate

    if folder.exists():  # a first key begins a denylist, and another issuer's may have been lost
        require_denylist(settings.denylist or folder / DENYLIST_FILE, settings.jwks)
    made = rotate(folder, drop_old=drop_old, denylist=settings.denylist)
    output.result({"key": made})
    old = "what older keys signed is refused" if drop_old else "what the old key signed is accepted until it expires"
    output.line(f"key {made} signs from now on; {old}")
    return 0


def _revoke(folder: Path, settings: ServiceSettings, given: str, output: Output) -> int:
    """An id, or a whole token, onto the denylist."""
    from discreet.service.token_keys import DENYLIST_FILE, JWKS_FILE, require_denylist, revoke
    from discreet.service.tokens import token_id

    revoked = token_id(given) if given.count(".") == 2 and given.startswith("ey") else given
    denylist = settings.denylist or folder / DENYLIST_FILE
    require_denylist(denylist, folder / JWKS_FILE, settings.jwks)
    revoke(denylist, revoked)
    output.result({"revoked": revoked, "denylist": str(denylist)})
    output.line(f"{revoked} is refused from now on ({denylist})")
    return 0


def _list(folder: Path, settings: ServiceSettings, output: Output) -> int:
    """Keys and revoked tokens."""
    from discreet.service.token_keys import DENYLIST_FILE, JWKS_FILE, overview, read_denylist, require_denylist

    keys = overview(folder)
    denylist = settings.denylist or folder / DENYLIST_FILE
    require_denylist(denylist, folder / JWKS_FILE, settings.jwks)
    revoked = sorted(read_denylist(denylist))
    output.result({"keys": [{"key": key, "accepted_until": ends} for key, ends in keys], "revoked": revoked})
    rows = [(key, "signs" if ends is None else f"accepted until {_moment(ends)}") for key, ends in keys]
    output.table("Keys of tokens", ("key", "state"), rows)
    output.line(f"{len(revoked)} revoked" + "".join(f"\n  {name}" for name in revoked))
    return 0


def _moment(seconds: int) -> str:
    """A Unix time for people."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
