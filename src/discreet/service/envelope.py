"""Around every request: an id, security headers, one log line, and no error without a problem."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Collection, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from discreet.service import logs, security
from discreet.service.metrics import Metrics
from discreet.service.problems import Problem

_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?")
# As proxies make them; digits alone, so that no client's words come into logs through a proxy that hands them on.
_REQUEST_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Envelope:
    """The outermost layer.

    Args:
        app: everything inside.
        metrics: counts what was answered.
        hosts: names to answer to; empty for any.
        tls: whether clients come by TLS.
        trust_request_ids: whether a proxy in front gives them.
    """

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, hosts: Collection[str], tls: bool, trust_request_ids: bool
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._hosts = {host.lower() for host in hosts}
        self._headers = security.headers(tls=tls)
        self._trust_request_ids = trust_request_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        method = scope["method"]
        if method == "HEAD":
            scope = {**scope, "method": "GET"}  # the server, which keeps its own scope, drops the body
        request_id = self._request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = self._complete(message["headers"], request_id)
            await send(message)

        try:
            self._check_host(scope)
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            status = status or 499  # nobody is there to be answered
        except Exception as error:
            if status:
                raise  # half an answer is out: the connection has to break
            response = as_problem(error).response(request_id)
            await response(scope, receive, send_with_headers)
        seconds = time.perf_counter() - started
        route = route_of(scope)
        self._metrics.count(route, status, seconds)
        logs.event(
            "request", request_id=request_id, method=method if method in _METHODS else "other", route=route,
            status=status, milliseconds=round(seconds * 1000, 1),
        )  # fmt: skip

    def _complete(self, headers: list[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
        """The answer's headers, and those that every answer has."""
        complete = [*headers, *self._headers, (b"x-request-id", request_id.encode())]
        if not any(name.lower() == b"cache-control" for name, _ in headers):
            complete.append((b"cache-control", security.NO_STORE.encode()))
        return complete

    def _request_id(self, scope: Scope) -> str:
        """A new id, or a trusted proxy's."""
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        if self._trust_request_ids and _REQUEST_ID.fullmatch(given.decode("latin-1")):
            return given.decode("latin-1")
        return uuid.uuid4().hex

    def _check_host(self, scope: Scope) -> None:
        """Exactly one sensible Host, and one of ours."""
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        found = _HOST.fullmatch(given[0]) if len(given) == 1 else None
        if found is None:
            raise Problem(400, "host", "the request needs exactly one valid Host header")
        if self._hosts and found["name"].strip("[]").lower() not in self._hosts:
            raise Problem(421, "host", "this service does not answer to that host; check the address")


_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_HTTP_DETAILS = {
    404: "there is nothing here; see /openapi.json",
    405: "this method is not known here; see /openapi.json",
}


def route_of(scope: Scope) -> str:
    """The route's pattern: what a client wrote into the path is never logged."""
    route: Any = scope.get("route")
    return getattr(route, "path", "none")


def as_problem(error: Exception) -> Problem:
    """Any error as a problem; one that nobody foresaw is logged by kind and place, and said to be ours."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        detail = _HTTP_DETAILS.get(error.status_code, "the request cannot be read; see /openapi.json")
        return Problem(error.status_code, "http", detail, _with_head(error.headers or {}))
    logs.event("unforeseen error", level="error", **logs.where(error))
    return Problem(500, "internal", "something went wrong here; the operator's log says where")


def _with_head(headers: Mapping[str, str]) -> Mapping[str, str]:
    """An error's headers; where they allow GET, HEAD is allowed."""
    return {**headers, "Allow": "GET, HEAD"} if headers.get("Allow") == "GET" else headers
