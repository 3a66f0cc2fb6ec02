"""Running the service: sealed, over TLS, until it is told to stop."""

from __future__ import annotations

import ipaddress
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from discreet.errors import ConfigurationError
from discreet.inference.models import exported_folder
from discreet.service import logs
from discreet.service.app import build_app
from discreet.service.certificate import self_signed
from discreet.service.decoder import missing_seals
from discreet.service.http_guard import GuardedHttp
from discreet.service.journal_keys import JOURNAL_KEYS_FOLDER
from discreet.service.sealing import forbid_swap, seal_process
from discreet.service.settings import ServiceSettings
from discreet.service.token_keys import DENYLIST_FILE, JWKS_FILE, begin_denylist, require_denylist

IDLE_CONNECTION_S = 15


@dataclass(frozen=True)
class Tls:
    """A certificate and its key; `fingerprint` where it was made here."""

    cert: Path
    key: Path
    fingerprint: str = ""


def serve(
    settings: ServiceSettings, state: Path, say: Callable[[str], None], ready: Callable[[Mapping[str, Any]], None]
) -> None:
    """Serve until SIGTERM or SIGINT; running requests are finished first.

    Args:
        settings: of the service.
        state: folder of the service's own files; created closed to others.
        say: takes lines for the operator.
        ready: takes once, when requests are answered, what a client needs: the URL, and the certificate to trust.

    Raises:
        ConfigurationError: settings contradict each other, files are missing, the denylist among them, memory could be
            swapped to disk, or the processes that decode pictures cannot be sealed.
    """
    check_together(settings)
    exported_folder(settings.model)  # before anything is made for it
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    _have_denylist(settings, state)
    with _listen(settings) as listener:
        say(f"memory: {forbid_swap(settings.allow_swap)}")
        say(f"decoding: {_sealed(settings)}")
        seal_process(file_writes=True)  # the log may go to a file; workers write none
        app = build_app(settings, state)
        tls = _tls(settings, state)  # late: a start that fails must not replace the certificate that clients know
        for line in describe(settings, tls):
            say(line)
        logs.take_over()

        def announce(url: str) -> None:
            say(f"ready: {url}")
            certificate = None if tls is None else str(tls.cert)
            ready({"url": url, "certificate": certificate, "faces": settings.faces, "tokens": not settings.open})

        server = _Server(_configuration(settings, app, tls), announce)
        with suppress(SystemExit):  # what the server makes of a start that failed
            server.run(sockets=[listener])
    if not server.started:
        raise ConfigurationError(app.state.failure or "the service did not start; the log says why")


def _have_denylist(settings: ServiceSettings, state: Path) -> None:
    """A state folder that is new begins with an empty denylist; in any other, tokens are not checked without one.

    Raises:
        ConfigurationError: it was lost.
    """
    if not any((state / name).exists() for name in (JOURNAL_KEYS_FOLDER, JWKS_FILE)):
        begin_denylist(state / DENYLIST_FILE)
    elif not settings.open and settings.denylist is None:
        require_denylist(state / DENYLIST_FILE, settings.jwks or state / JWKS_FILE)


def _sealed(settings: ServiceSettings) -> str:
    """Whether the processes that decode pictures can be sealed.

    Raises:
        ConfigurationError: Linux does it, and this one will not.
    """
    missing = missing_seals(settings.max_pixels)
    if not missing:
        return "each picture in a sealed process"
    told = f"NOT SEALED, the system leaves a process {', '.join(missing)}"
    if sys.platform == "linux" and not settings.allow_unsealed:
        raise ConfigurationError(
            f"decoding would be {told}; allow prctl and seccomp to this program, or say --allow-unsealed"
        )
    return told


class _Server(uvicorn.Server):
    """Says when it is ready; tells the application first that it stops, so that load balancers look elsewhere."""

    def __init__(self, configuration: uvicorn.Config, announce: Callable[[str], None]) -> None:
        super().__init__(configuration)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            scheme = "https" if self.config.is_ssl else "http"
            self._announce(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        service = getattr(self.config.app.state, "service", None)  # type: ignore[union-attr]
        if service is not None:
            service.draining = True
        # Unlike uvicorn's own, this is not raised again at the end: a service that was told to stop did well.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def check_together(settings: ServiceSettings) -> None:
    """Refuse settings that would leave pictures or tokens in the open.

    Raises:
        ConfigurationError: says which two, and the way out.
    """
    if settings.open and settings.behind_proxy:
        raise ConfigurationError("--open and --behind-proxy exclude each other; behind a proxy, use tokens")
    if settings.open and not _is_loopback(settings.host):
        raise ConfigurationError(
            f"--open asks nobody for a token, so it serves loopback only, not {settings.host}; use --host 127.0.0.1"
        )
    if (settings.cert is None) != (settings.key is None):
        raise ConfigurationError("--cert and --key go together; give both, or neither for a self-signed certificate")
    if settings.promotion is not None and settings.promoted_by is None:
        raise ConfigurationError("--promotion is a record that nobody is asked about; give --promoted-by, too")
    for path in (
        settings.promoted_by,
        settings.promotion,
        settings.cert,
        settings.key,
        settings.jwks,
        settings.denylist,
    ):
        if path is not None and not path.is_file():
            if path.exists():
                raise ConfigurationError(f"{path} is a folder or no plain file; name the file itself")
            raise ConfigurationError(f"{path} does not exist; check the path")
    if settings.cert is not None and (settings.open or settings.behind_proxy):
        raise ConfigurationError("--cert makes HTTPS, --open and --behind-proxy make plain HTTP; choose one")


def describe(settings: ServiceSettings, tls: Tls | None) -> list[str]:
    """What the operator should know at the start."""
    lines = []
    if tls is not None and tls.fingerprint:
        lines.append(f"certificate: self-signed, {tls.cert}; browsers warn. SHA-256 {tls.fingerprint}")
    faces = {
        "mask": "masked before the network sees them",
        "mask-output": "masked in answers only: the network sees them",
        "refuse": "pictures that show any are refused",
        "off": "not masked",
    }
    lines.append(f"faces: {faces[settings.faces]}")
    if settings.open:
        lines.append("tokens: none needed (--open), from this machine only")
    else:
        lines.append("tokens: make one with `discreet token --subject NAME --scope parse`")
    return lines


def _listen(settings: ServiceSettings) -> socket.socket:
    """The socket to listen on, taken before anything slow is started."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host.strip("[]"), settings.port))
    except OSError as problem:
        listener.close()
        raise ConfigurationError(
            f"{settings.host} port {settings.port} cannot be listened on ({problem.strerror}); "
            "choose another with --host and --port, or stop what is there"
        ) from None
    return listener


def _configuration(settings: ServiceSettings, app: object, tls: Tls | None) -> uvicorn.Config:
    """For uvicorn."""
    if tls is not None:
        _check_key(tls)
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=GuardedHttp,
        loop="discreet.service.event_loop:PromptLoop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=settings.behind_proxy,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=IDLE_CONNECTION_S,
        timeout_graceful_shutdown=round(settings.drain_s),
        ssl_certfile=None if tls is None else str(tls.cert),
        ssl_keyfile=None if tls is None else str(tls.key),
    )


def _tls(settings: ServiceSettings, state: Path) -> Tls | None:
    """The operator's certificate, or one made here; None for plain HTTP."""
    if settings.open or settings.behind_proxy:
        return None
    if settings.cert is not None and settings.key is not None:
        return Tls(settings.cert, settings.key)
    named = [host.strip() for host in settings.allowed_hosts.split(",") if host.strip()]
    return Tls(*self_signed(state, [settings.host, *named]))


def _check_key(tls: Tls) -> None:
    """Load certificate and key once, because the server's own error would not say which is wrong."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.cert, tls.key, password=lambda: b"")
    except (ssl.SSLError, OSError, ValueError) as problem:
        raise ConfigurationError(
            f"{tls.cert} and {tls.key} make no TLS certificate ({problem}); give a PEM chain and its unencrypted key"
        ) from None


def _is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
