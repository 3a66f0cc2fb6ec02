"""Who asks: a bearer token with the right scope, or, on a service that is open, an address."""

from __future__ import annotations

from starlette.requests import Request

from discreet.errors import TokenError
from discreet.service.context import Service
from discreet.service.problems import Problem
from discreet.service.tokens import Caller

SCOPES = ("parse", "metrics", "admin")
_CHALLENGE = 'Bearer realm="discreet"'


def address(request: Request) -> str:
    """The client's address, as the connection or a trusted proxy gives it."""
    return request.client.host if request.client else ""


async def authorise(request: Request, service: Service, scope: str) -> Caller:
    """The caller, if it may.

    Args:
        request: with `Authorization: Bearer TOKEN`.
        service: knows the keys.
        scope: what is asked for; admin may do everything.

    Raises:
        Problem: 401 without a valid token, 403 without the scope, 429 after many wrong ones.
    """
    if service.verifier is None:
        return Caller(subject=f"open:{address(request)}", token_id="", scopes=frozenset(SCOPES), expires=0)
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        await service.rate.take_wrong_token(address(request))
        raise _unauthorised("send a token: `Authorization: Bearer TOKEN`; `discreet token` makes one", "")
    try:
        caller = service.verifier.verify(token.strip())
    except TokenError as problem:
        await service.rate.take_wrong_token(address(request))
        raise _unauthorised(f"the token is not accepted: {problem}", ', error="invalid_token"') from None
    if not caller.scopes & {scope, "admin"}:
        raise Problem(
            403, "scope", f"the token lacks the scope {scope}; ask for one that has it",
            {"WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope", scope="{scope}"'},
        )  # fmt: skip
    return caller


def _unauthorised(detail: str, error: str) -> Problem:
    """401."""
    return Problem(401, "token", detail, {"WWW-Authenticate": _CHALLENGE + error})
