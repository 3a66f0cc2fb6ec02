"""A service as an operator starts it: the real command, its own state, TLS by its own certificate."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

READY_WITHIN_S = 120


@dataclass
class Running:
    """A started service.

    Args:
        process: of the command.
        state: its DISCREET_STATE.
        log: every line it wrote to stderr.
        url: where it listens, once it is ready.
    """

    process: subprocess.Popen[str]
    state: Path
    home: Path
    listener: threading.Thread = field(default_factory=threading.Thread)
    log: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def certificate(self) -> Path:
        """The self-signed one."""
        return self.state / "service" / "certificate.pem"

    def tls(self) -> ssl.SSLContext:
        """Trusts exactly the service's own certificate."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def token(self, *scopes: str, subject: str = "tester") -> str:
        """A token, by the command."""
        words = [word for scope in scopes or ("parse",) for word in ("--scope", scope)]
        return verb(self, "token", "--subject", subject, "--minutes", "15", *words)["token"]

    def client(self, *scopes: str, subject: str = "tester") -> httpx.Client:
        """Speaks TLS and has a token."""
        headers = {"Authorization": f"Bearer {self.token(*scopes, subject=subject)}"}
        return httpx.Client(base_url=self.url, verify=self.tls(), headers=headers, timeout=60)

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid), "-f", "discreet.service.worker"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return [int(word) for word in found.stdout.split()]

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.wait()

    def wait(self, seconds: float = 60) -> int:
        """Its exit code, when it ends."""
        code = self.process.wait(seconds)
        self.listener.join(seconds)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


def start(folder: Path, *options: str, environment: dict[str, str] | None = None) -> Running:
    """Start `discreet serve` and wait until it says that it is ready."""
    state, home = folder / "state", folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "discreet", "serve", "--port", "0", *options],
        env=os.environ | {"DISCREET_STATE": str(state), "HOME": str(home)} | (environment or {}),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=home,
    )  # fmt: skip
    running = Running(process, state, home)
    running.listener = threading.Thread(target=_listen, args=(running,), daemon=True)
    running.listener.start()
    until = time.monotonic() + READY_WITHIN_S
    while not running.url:
        if process.poll() is not None or time.monotonic() > until:
            running.kill()
            raise AssertionError("the service did not start:\n" + "".join(running.log))
        time.sleep(0.05)
    return running


def _listen(running: Running) -> None:
    """Keep its log."""
    assert running.process.stderr is not None
    for line in running.process.stderr:
        running.log.append(line)
        if "ready: http" in line:
            running.url = line.split("ready: ")[1].strip().rstrip("/")


def verb(running: Running, *words: str, check: bool = True) -> dict[str, object]:
    """Another verb with the service's state; its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "discreet", *words, "--json"], capture_output=True, text=True, check=False,
        env=os.environ | {"DISCREET_STATE": str(running.state), "HOME": str(running.home)}, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0 or not check, done.stderr
    return json.loads(done.stdout)
