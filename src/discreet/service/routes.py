"""What can be asked of the service."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.security import HTTPBearer
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from discreet.errors import JournalError
from discreet.service.admission import FLOOD, neighbourhood
from discreet.service.callers import address, authorise
from discreet.service.context import Service
from discreet.service.envelope import as_problem
from discreet.service.journal import Entry
from discreet.service.metrics import MEDIA_TYPE
from discreet.service.problems import MEDIA_TYPE as PROBLEM
from discreet.service.problems import Problem, busy
from discreet.service.schemas import PROBLEMS, UPLOAD, Health, Model, Parsed, Policy, Ready
from discreet.service.site import PageFile
from discreet.service.tokens import Caller
from discreet.service.uploads import read_upload

router = APIRouter()


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    return request.app.state.service


Serving = Annotated[Service, Depends(service_of)]
# Refusals that cost a client nothing: only so many of them get a line in the journal, which they would fill.
_CHEAP = ("rate", "scope")
# Shows the scheme in /openapi.json; `authorise` does the work, because its refusals belong into the journal.
_BEARER = [Depends(HTTPBearer(auto_error=False))]


@router.post(
    "/predict",
    summary="Parse a picture",
    description="Answers the overlay as PNG, or with `Accept: application/json` the label map, persons and timings.",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}, "model": Parsed}, **PROBLEMS},
    openapi_extra=UPLOAD,
    dependencies=_BEARER,
)
async def predict(request: Request, service: Serving) -> Response:
    """Every request gets its line in the journal before its answer, also where nobody foresaw what went wrong."""
    started = time.perf_counter()
    caller = Caller(subject="", token_id="", scopes=frozenset(), expires=0)
    facts: dict[str, Any] = {}
    try:
        caller = await authorise(request, service, "parse")
        response = await _parse(request, service, caller, facts)
        reason = ""
    except ClientDisconnect:
        raise  # nobody is there to be answered
    except Exception as error:
        problem = as_problem(error)
        response = problem.response(request.state.request_id)
        reason = problem.kind
    cheap = reason in _CHEAP and not await service.rate.is_noted(caller.subject or neighbourhood(address(request)))
    if reason == FLOOD or cheap:
        return response
    entry = Entry(
        request_id=request.state.request_id, route="/predict", status=response.status_code, subject=caller.subject,
        token_id=caller.token_id, source=address(request), bytes_in=facts.get("bytes_in", 0),
        pixels=facts.get("pixels", 0), faces=facts.get("faces"), model=service.pool.described["digest"],
        policy=service.policy_name, milliseconds=round((time.perf_counter() - started) * 1000, 1), reason=reason,
    )  # fmt: skip
    try:
        await service.journal.write(entry)
    except JournalError:
        raise busy("the journal cannot be written, so nothing is answered; tell the operator", 5) from None
    return response


async def _parse(request: Request, service: Service, caller: Caller, facts: dict[str, Any]) -> Response:
    """Admit, read, parse."""
    if service.draining:
        raise busy("this service is stopping; ask another", 1)
    left = await service.rate.take(caller.subject)
    wants_json = wants_json_of(request)
    settings = service.settings
    deadline = asyncio.get_running_loop().time() + settings.deadline_s
    async with service.admission.upload():
        upload = await read_upload(request, max_bytes=settings.max_bytes, deadline=deadline)
    facts["bytes_in"] = len(upload.content)
    async with service.admission.enter():
        question = {
            "format": "json" if wants_json else "png",
            "opacity": upload.opacity,
            "request_id": request.state.request_id,
        }
        header, body = await service.pool.run(question, upload.content, deadline)
    if header["status"] != 200:
        later = {"Retry-After": "1"} if header["status"] == 503 else {}
        raise Problem(
            header["status"], header["kind"], header["detail"] or "parsing failed; try another picture", later
        )
    facts |= {"pixels": header["pixels"], "faces": header["faces"]}
    timings = {"Server-Timing": header["timings"]} if "timings" in header else {}
    return Response(body, 200, left | timings, header["media_type"])


def wants_json_of(request: Request) -> bool:
    """Whether JSON is preferred to PNG; PNG where neither is.

    Raises:
        Problem: 406; neither is accepted.
    """
    ranges = _ranges(",".join(request.headers.getlist("accept") or ["*/*"]))
    json_weight, png_weight = _weight_of("application/json", ranges), _weight_of("image/png", ranges)
    if max(json_weight, png_weight) == 0:
        raise Problem(406, "accept", "answers are image/png or application/json; accept one of these")
    return json_weight > png_weight


def _ranges(accepted: str) -> dict[str, float]:
    """What an Accept header names, kinds and wildcards, each with its quality."""
    ranges: dict[str, float] = {}
    for entry in accepted.split(","):
        kind, *parameters = (word.strip().lower() for word in entry.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                weight = _weight(parameter[2:])
        ranges[kind] = max(ranges.get(kind, 0.0), weight)
    return ranges


def _weight_of(offered: str, ranges: dict[str, float]) -> float:
    """How much a kind is wanted: what fits it most closely decides, also against it."""
    if offered in ranges:
        return ranges[offered]
    family = offered.partition("/")[0] + "/*"
    # What is named is meant; a wildcard takes whatever comes.
    return ranges.get(family, ranges.get("*/*", 0.0)) * 0.5


def _weight(text: str) -> float:
    """A quality value; nonsense counts as none given."""
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 1.0


@router.get("/healthz", summary="Whether the process lives", response_model=Health)
async def healthz() -> Health:
    """No look at anything else: a restart cures only this process."""
    return Health(status="alive")


@router.get(
    "/readyz",
    summary="Whether a picture would be parsed now",
    response_model=Ready,
    responses={503: {"content": {PROBLEM: {}}}},
)
async def readyz(service: Serving) -> Ready:
    """For load balancers."""
    if not service.ready:
        raise busy("not ready: stopping, without workers, or without its journal", 1)
    return Ready(status="ready", workers=service.pool.num_alive)


@router.get(
    "/metrics",
    summary="Figures for Prometheus (scope metrics)",
    response_class=Response,
    responses=PROBLEMS,
    dependencies=_BEARER,
)
async def metrics(request: Request, service: Serving) -> Response:
    """Counts and times; nothing of who asked."""
    await authorise(request, service, "metrics")
    service.metrics.workers.set(service.pool.num_alive)
    service.metrics.restarts.set(service.pool.restarts)
    return Response(service.metrics.text(), headers={"Content-Type": MEDIA_TYPE})


@router.get("/model", summary="Which network answers", response_model=Model)
async def model(service: Serving) -> dict[str, Any]:
    """Its name, hash, parts, and what is known of its training."""
    return service.pool.described


@router.get("/policy", summary="What happens to pictures here", response_model=Policy)
async def policy(service: Serving) -> dict[str, Any]:
    """What the page tells its visitors."""
    return {name: getattr(service.settings, name) for name in Policy.model_fields}


@router.get("/", include_in_schema=False)
async def index(request: Request, service: Serving) -> Response:
    """The page."""
    return _file(request, service.page["index.html"])


@router.get("/static/{path:path}", include_in_schema=False)
async def static(request: Request, path: str, service: Serving) -> Response:
    """The page's files, by exact name."""
    found = service.page.get(path)
    if found is None:
        raise Problem(404, "http", "there is nothing here; see /openapi.json")
    return _file(request, found)


def _file(request: Request, found: PageFile) -> Response:
    """A file, or word that the browser has it."""
    headers = {"ETag": found.tag, "Cache-Control": found.cache_control}
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type=found.media_type)
