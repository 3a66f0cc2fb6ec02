"""Starting, stopping, losing a worker, being full: nothing hangs, nothing is half answered."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from discreet.service.certificate import self_signed
from discreet.service.token_keys import make_keys
from tests.e2e.service.running import Running, start


def send(url: str, picture: bytes, **options: object) -> httpx.Response:
    with httpx.Client(base_url=url, timeout=60, **options) as client:  # type: ignore[arg-type]
        return client.post("/predict", files={"file": ("a.jpg", picture, "image/jpeg")})


@pytest.fixture
def open_service(tmp_path: Path, request: pytest.FixtureRequest):
    running = start(tmp_path, "--open", "--rate", "100000/minute", *getattr(request, "param", ()))
    yield running
    running.kill()


def until(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_worker_killed_mid_request_fails_that_one_and_the_next_is_served(
    open_service: Running, picture: bytes
) -> None:
    (worker,) = open_service.workers()
    os.kill(worker, signal.SIGSTOP)  # so that it is mid-request for certain
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(send, open_service.url, picture)
        time.sleep(0.5)
        os.kill(worker, signal.SIGKILL)
        lost = asked.result(30)
    assert lost.status_code == 503
    assert lost.json()["type"] == "urn:discreet:problem:worker"
    assert int(lost.headers["retry-after"]) >= 1
    assert send(open_service.url, picture).status_code == 200
    assert open_service.workers() != [worker]


def test_an_idle_worker_that_dies_is_replaced(open_service: Running, picture: bytes) -> None:
    (worker,) = open_service.workers()
    os.kill(worker, signal.SIGKILL)
    until(lambda: open_service.workers() not in ([], [worker]))
    until(lambda: httpx.get(f"{open_service.url}/readyz").status_code == 200)
    assert send(open_service.url, picture).status_code == 200


@pytest.mark.parametrize("open_service", [("--deadline-s", "2")], indirect=True)
def test_a_request_that_takes_too_long_is_given_up_and_its_worker_replaced(
    open_service: Running, picture: bytes
) -> None:
    (worker,) = open_service.workers()
    os.kill(worker, signal.SIGSTOP)
    started = time.monotonic()
    late = send(open_service.url, picture)
    assert late.status_code == 503
    assert time.monotonic() - started < 5
    until(lambda: httpx.get(f"{open_service.url}/readyz").status_code == 200)
    assert send(open_service.url, picture).status_code == 200


@pytest.mark.parametrize("open_service", [("--queue", "1")], indirect=True)
def test_when_full_the_next_is_refused_at_once(open_service: Running, picture: bytes) -> None:
    (worker,) = open_service.workers()
    os.kill(worker, signal.SIGSTOP)
    with ThreadPoolExecutor() as threads:
        inside = [threads.submit(send, open_service.url, picture) for _ in range(2)]
        time.sleep(1.0)
        with httpx.Client(base_url=open_service.url) as client:
            client.get("/healthz")
            started = time.perf_counter()
            refused = client.post("/predict", files={"file": ("a.jpg", picture, "image/jpeg")})
            seconds = time.perf_counter() - started
        os.kill(worker, signal.SIGCONT)
        assert [answer.result(30).status_code for answer in inside] == [200, 200]
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert seconds < 0.05
    assert send(open_service.url, picture).status_code == 200


def test_sigterm_answers_everybody_who_is_inside(open_service: Running, picture: bytes) -> None:
    (worker,) = open_service.workers()
    os.kill(worker, signal.SIGSTOP)
    with ThreadPoolExecutor(8) as threads:
        inside = [threads.submit(send, open_service.url, picture) for _ in range(6)]
        time.sleep(1.0)
        open_service.process.send_signal(signal.SIGTERM)
        os.kill(worker, signal.SIGCONT)
        assert Counter(answer.result(60).status_code for answer in inside) == {200: 6}
    assert open_service.wait(30) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(open_service.url + "/healthz")


def test_ctrl_c_stops_it_too_and_leaves_no_process(open_service: Running, picture: bytes) -> None:
    send(open_service.url, picture)
    workers = open_service.workers()
    open_service.process.send_signal(signal.SIGINT)
    assert open_service.wait(30) == 0
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def test_a_killed_service_takes_its_processes_along(open_service: Running, picture: bytes) -> None:
    send(open_service.url, picture)
    family = subprocess.run(
        ["pgrep", "-P", str(open_service.process.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(family) >= 2
    open_service.process.kill()
    open_service.process.wait()
    until(lambda: not any(_alive(int(pid)) for pid in family))


def _alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_without_its_journal_it_answers_nothing(open_service: Running, picture: bytes) -> None:
    assert send(open_service.url, picture).status_code == 200
    writer = subprocess.run(
        ["pgrep", "-P", str(open_service.process.pid), "-f", "journal"], capture_output=True, text=True, check=True
    ).stdout.split()
    os.kill(int(writer[0]), signal.SIGKILL)
    until(lambda: httpx.get(f"{open_service.url}/readyz").status_code == 503)
    refused = send(open_service.url, picture)
    assert refused.status_code == 503
    assert "journal" in refused.json()["detail"]
    assert httpx.get(f"{open_service.url}/healthz").status_code == 200


@pytest.mark.parametrize(
    ("options", "named", "status"),
    [
        (("--open", "--host", "0.0.0.0"), "loopback", 1),
        (("--open", "--behind-proxy"), "exclude", 1),
        (("--cert", "a.pem"), "go together", 1),
        (("--cert", "a.pem", "--key", "b.pem"), "does not exist", 1),
        (("--faces", "some"), "--faces", 2),
        (("--model", "nothing"), "nothing", 1),
        (("--rate", "often"), "120/minute", 1),
        (("--rate", "0/minute"), "lets nobody in", 1),
        (("--journal", __file__), f"{__file__} cannot be made (File exists)", 1),
        (("--denylist", str(Path(__file__).parent)), "is a folder", 1),
    ],
)
def test_settings_that_would_be_unsafe_are_refused_in_one_line(
    tmp_path: Path, options: tuple[str, ...], named: str, status: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "discreet", "serve", "--port", "0", *options],
        env=os.environ | {"DISCREET_STATE": str(tmp_path)}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == status
    assert named in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("issuer", ["own", "another"])
def test_without_the_denylist_that_was_there_it_does_not_start(tmp_path: Path, issuer: str) -> None:
    options = ()
    if issuer == "another":
        make_keys(tmp_path / "issuer")
        options = ("--jwks", str(tmp_path / "issuer" / "jwks.json"))
    running = start(tmp_path, *options)
    denylist = running.state / "service" / "denylist.txt"
    assert denylist.exists()
    if issuer == "own":
        with running.client("metrics") as client:
            assert client.get("/metrics").status_code == 200
    assert running.stop() == 0
    denylist.unlink()
    with pytest.raises(AssertionError, match=r"denylist.txt is missing.*make an empty file"):
        start(tmp_path, *options)
    assert not denylist.exists()
    denylist.touch()
    assert start(tmp_path, *options).stop() == 0


def test_programs_are_told_where_it_answers_and_what_to_trust(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "discreet", "serve", "--port", "0", "--json"], text=True, cwd=tmp_path,
        env=os.environ | {"DISCREET_STATE": str(tmp_path / "state")}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        trusted = ssl.create_default_context(cafile=told["certificate"])
        assert httpx.get(f"{told['url']}readyz", verify=trusted, timeout=60).status_code == 200
        assert (told["faces"], told["tokens"]) == ("mask", True)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60)[0] == ""
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0


def test_a_port_that_is_taken_is_named(open_service: Running, tmp_path: Path) -> None:
    port = open_service.url.rsplit(":", 1)[1]
    done = subprocess.run(
        [sys.executable, "-m", "discreet", "serve", "--open", "--port", port],
        env=os.environ | {"DISCREET_STATE": str(tmp_path / "other")}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert port in done.stderr
    assert "--port" in done.stderr


@pytest.mark.parametrize("options", [("--host", "192.0.2.1"), ("--allowed-hosts", "parser.example", "--rate", "often")])
def test_a_start_that_fails_leaves_the_certificate_that_clients_know(tmp_path: Path, options: tuple[str, ...]) -> None:
    certificate, _, _ = self_signed(tmp_path / "service", ["127.0.0.1"])
    known = certificate.read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "discreet", "serve", "--port", "0", *options],
        env=os.environ | {"DISCREET_STATE": str(tmp_path)}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert certificate.read_bytes() == known


def test_twenty_seconds_of_fifty_clients(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, str(root / "benchmarks" / "service_load.py"), "--seconds", "10", "--size", "256",
         "--out", str(tmp_path / "load.json")],
        capture_output=True, text=True, timeout=300, check=False, cwd=root,
    )  # fmt: skip
    assert threading.active_count() < 50
    assert '"no error but deliberate 503": true' in done.stdout, done.stdout + done.stderr
    assert '"memory grows by less than 5 %": true' in done.stdout, done.stdout
