"""What the service refuses, as application/problem+json (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


@dataclass
class Problem(Exception):  # noqa: N818  (what RFC 9457 calls it)
    """A request that is not answered, and why.

    Args:
        status: of HTTP.
        kind: short, stable, for machines: the last word of the problem's type.
        detail: one sentence for people, with the way out; holds nothing of the request's content.
        headers: sent along.
    """

    status: int
    kind: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, request_id: str) -> Response:
        """What is sent."""
        content = {
            "type": f"urn:discreet:problem:{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
        }
        body = json.dumps(content, ensure_ascii=False).encode()
        return Response(body, self.status, dict(self.headers), MEDIA_TYPE)


def busy(detail: str, retry_after_s: int) -> Problem:
    """503: come back later."""
    return Problem(503, "busy", detail, {"Retry-After": str(retry_after_s)})
