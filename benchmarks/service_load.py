"""Load on the real service, over loopback: how fast alone, how fast together, what is refused, what memory does.

    python benchmarks/service_load.py [--seconds 300] [--clients 50] [--size 512]

Three stretches against one service process: one client; as many clients as workers; all clients. Prints and writes
JSON. Exits 1 where a bound is broken: an error that is not a deliberate refusal, p95 at concurrency = workers over
1.5 times the time of a picture alone, a refusal slower than 50 ms, memory that grows by 5 % or more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

RESULTS = Path(__file__).parent / "results"
PICTURE = Path(__file__).parents[1] / "tests" / "assets" / "person.jpg"
BACK_OFF_S = 1.0
WARM_UP = 10


@dataclass
class Stretch:
    """What clients saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    answered_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, object]:
        """Figures in milliseconds."""
        return {
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "median_ms": _ms(self.answered_s, 50),
            "p95_ms": _ms(self.answered_s, 95),
            "refused_median_ms": _ms(self.refused_s, 50),
            "refused_p95_ms": _ms(self.refused_s, 95),
            "refused_max_ms": _ms(self.refused_s, 100),
        }


def _ms(seconds: list[float], percentile: float) -> float | None:
    return round(float(np.percentile(seconds, percentile)) * 1000, 1) if seconds else None


def request_bytes(size_px: int, port: int) -> bytes:
    """One upload as it goes over the wire."""
    path = Path(tempfile.mkstemp(suffix=".jpg")[1])
    Image.open(PICTURE).convert("RGB").resize((size_px, size_px)).save(path, quality=90)
    picture = path.read_bytes()
    path.unlink()
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    body = head + picture + b"\r\n--b--\r\n"
    lines = (
        f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return lines.encode() + body


async def ask(port: int, request: bytes, until: float, seen: Stretch) -> None:
    """One client: asks again and again over one connection, and waits where it is told to."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        started = time.perf_counter()
        writer.write(request)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        seconds = time.perf_counter() - started
        seen.statuses[status] += 1
        (seen.answered_s if status == 200 else seen.refused_s).append(seconds)
        if status != 200:
            await asyncio.sleep(BACK_OFF_S)
    writer.close()


async def stretch(port: int, request: bytes, clients: int, seconds: float) -> Stretch:
    """So many clients for so long."""
    seen = Stretch()
    until = time.perf_counter() + seconds
    await asyncio.gather(*(ask(port, request, until, seen) for _ in range(clients)))
    return seen


def memory_bytes(process: psutil.Process) -> int:
    """What the service and all its processes hold of their own."""
    family = [process, *process.children(recursive=True)]
    return sum(member.memory_full_info().uss for member in family if member.is_running())


def start(state: Path, workers: int) -> tuple[subprocess.Popen[str], int]:
    """The service as an operator starts it, open on loopback."""
    command = [sys.executable, "-m", "discreet", "serve", "--open", "--port", "0", "--rate", "1000000/minute"]
    service = subprocess.Popen(
        [*command, "--workers", str(workers)],
        env=os.environ | {"DISCREET_STATE": str(state)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert service.stderr is not None
    for line in service.stderr:
        if "ready: http" in line:
            return service, int(line.rstrip().rstrip("/").rsplit(":", 1)[1])
    raise SystemExit("the service did not start")


def main() -> int:
    """Start, load, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0, help="of the stretch with all clients")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--size", type=int, default=512, help="side of the picture, in pixels")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS / "service_load.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        service, port = start(Path(state), arguments.workers)
        # Its log must not fill the pipe.
        drain = subprocess.Popen(["cat"], stdin=service.stderr, stdout=subprocess.DEVNULL)
        try:
            found = measure(service, port, arguments)
        finally:
            service.terminate()
            service.wait(60)
            drain.wait(10)
    broken = [name for name, held in found["held"].items() if not held]
    print(json.dumps(found, indent=2))
    arguments.out.write_text(json.dumps(found, indent=2) + "\n")
    return 1 if broken else 0


def measure(service: subprocess.Popen[str], port: int, arguments: argparse.Namespace) -> dict[str, dict[str, object]]:
    """The three stretches and what they show."""
    request = request_bytes(arguments.size, port)
    calm = max(5.0, arguments.seconds / 10)
    process = psutil.Process(service.pid)
    asyncio.run(stretch(port, request, arguments.workers, calm / 2))
    alone = asyncio.run(stretch(port, request, 1, calm))
    together = asyncio.run(stretch(port, request, arguments.workers, calm))
    asyncio.run(stretch(port, request, arguments.clients, calm / 2))
    before = memory_bytes(process)
    crowd = asyncio.run(stretch(port, request, arguments.clients, arguments.seconds))
    growth = memory_bytes(process) / before - 1
    single_s, p95_s = float(np.median(alone.answered_s)), float(np.percentile(together.answered_s, 95))
    answered = set(alone.statuses) | set(together.statuses) | set(crowd.statuses)
    slowest_refusal_s = float(np.percentile(crowd.refused_s, 95)) if crowd.refused_s else 0.0
    return {
        "setting": {"clients": arguments.clients, "workers": arguments.workers, "size_px": arguments.size,
                    "seconds": arguments.seconds, "cores": psutil.cpu_count()},
        "alone": alone.summary(),
        "as_many_as_workers": together.summary(),
        "all": crowd.summary() | {"pictures_per_s": round(crowd.statuses[200] / arguments.seconds, 2)},
        "memory": {"growth": round(growth, 4), "bytes": before},
        "p95_over_single": {"ratio": round(p95_s / single_s, 3)},
        "held": {
            "no error but deliberate 503": answered <= {200, 503},
            "p95 at concurrency = workers <= 1.5x a picture alone": p95_s <= 1.5 * single_s,
            "refusals within 50 ms (p95)": slowest_refusal_s < 0.05,
            "memory grows by less than 5 %": growth < 0.05,
        },
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
