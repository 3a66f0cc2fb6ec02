"""The application: its routes, what surrounds them, and its start and end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from discreet import __version__
from discreet.errors import DiscreetError
from discreet.service.admission import Admission, Rate
from discreet.service.context import Service
from discreet.service.envelope import Envelope, as_problem
from discreet.service.journal import Journal
from discreet.service.journal_keys import JOURNAL_KEYS_FOLDER
from discreet.service.metrics import Metrics
from discreet.service.problems import Problem
from discreet.service.routes import router
from discreet.service.settings import ServiceSettings
from discreet.service.site import page_files
from discreet.service.token_keys import DENYLIST_FILE, JWKS_FILE
from discreet.service.tokens import TokenVerifier
from discreet.service.workers import WorkerPool


def build_app(settings: ServiceSettings, state: Path) -> FastAPI:
    """The service as an application; it starts its workers and its journal when the server starts it.

    Args:
        settings: of the service.
        state: folder of the service's own files: keys of tokens, denylist, journal.

    Raises:
        ConfigurationError: a setting makes no sense, or the page is not built.
    """
    metrics = Metrics()
    rate = Rate(settings.rate)
    page = page_files()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = WorkerPool(settings)
        try:
            try:
                await pool.start()
                folder = settings.journal or state / "journal"
                journal = Journal(folder, days=settings.journal_days, keys=state / JOURNAL_KEYS_FOLDER)
            except DiscreetError as problem:
                app.state.failure = str(problem)  # the server's own word on it would be a traceback
                raise
            app.state.service = Service(
                settings=settings, verifier=_verifier(settings, state), journal=journal, pool=pool, metrics=metrics,
                admission=Admission(pool.num_workers, settings.queue, metrics), rate=rate, page=page,
            )  # fmt: skip
            try:
                yield
            finally:
                await journal.close()
        finally:
            await pool.close()

    app = FastAPI(
        title="discreet", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None,
        redirect_slashes=False,  # it would send clients to whatever their Host header says
        description="Parses pictures of people, masks faces first, keeps nothing.",
    )  # fmt: skip
    app.state.failure = ""
    app.include_router(router)
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(HTTPException, _answer_problem)
    hosts = [host.strip() for host in settings.allowed_hosts.split(",") if host.strip()]
    tls = not (settings.open or settings.behind_proxy)
    app.add_middleware(Envelope, metrics=metrics, hosts=hosts, tls=tls, trust_request_ids=settings.behind_proxy)
    return app


async def _answer_problem(request: Request, error: Exception) -> Response:
    """Errors of the framework, as problems."""
    return as_problem(error).response(request.state.request_id)


def _verifier(settings: ServiceSettings, state: Path) -> TokenVerifier | None:
    """Of tokens; none where everybody may ask."""
    if settings.open:
        return None
    return TokenVerifier(
        settings.jwks or state / JWKS_FILE, issuer=settings.issuer, audience=settings.audience,
        denylist=settings.denylist or state / DENYLIST_FILE,
    )  # fmt: skip
