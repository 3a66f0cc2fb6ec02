"""What the container file asks of the service, without a container engine: its own mount namespace, root read-only,
no capability, a small tmpfs, one writable folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]
CAN_UNSHARE = shutil.which("unshare") is not None and os.geteuid() == 0

# State lies on a tmpfs of its own, as it would on a volume; all else is read-only.
SCRIPT = """
set -e
mount --make-rprivate /
mount --bind "$STATE" "$STATE"
mount --bind / /mnt
mount -t tmpfs -o size=16m,noexec,nosuid tmpfs /tmp
mkdir -p "$STATE"
mount --rbind "/mnt$STATE" "$STATE"
case "$ROOT" in /tmp/*) mkdir -p "$ROOT"; mount --bind "/mnt$ROOT" "$ROOT"; mount -o remount,ro,bind "$ROOT";; esac
mount -o remount,ro,bind /
ulimit -c 0
echo probe > /written 2>/dev/null && exit 9
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$PYTHON" -m discreet serve --open --port "$PORT"
"""


@pytest.mark.skipif(not CAN_UNSHARE, reason="needs root and unshare for a mount namespace")
def test_it_serves_with_a_read_only_root(tmp_path: Path, picture: bytes) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    state = tmp_path / "state"
    state.mkdir()
    environment = {
        "STATE": str(state), "PORT": str(port), "PYTHON": sys.executable, "ROOT": str(ROOT),
        "DISCREET_STATE": str(state),
    }  # fmt: skip
    process = subprocess.Popen(
        ["unshare", "--mount", "--kill-child", "sh", "-c", SCRIPT],
        env=os.environ | environment, stderr=subprocess.PIPE, text=True, cwd="/",
    )  # fmt: skip
    try:
        until = time.monotonic() + 90
        while True:
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < until
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        answer = httpx.post(f"http://127.0.0.1:{port}/predict", files={"file": ("a.jpg", picture)}, timeout=60)
        assert answer.status_code == 200
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def test_the_container_file_names_real_options_and_takes_everything_away() -> None:
    text = (ROOT / "Containerfile").read_text()
    from discreet.service.settings import ServiceSettings

    for name in re.findall(r"DISCREET_([A-Z_]+)=", text):
        assert name == "STATE" or name.lower() in ServiceSettings.model_fields
    for option in ("--read-only", "--tmpfs", "--ulimit core=0", "--cap-drop all", "no-new-privileges", "--memory-swap"):
        assert option in text
    assert re.search(r"^USER (?!root)", text, re.MULTILINE)
