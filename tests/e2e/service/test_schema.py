"""/openapi.json is true: schemathesis asks whatever it allows, and much that it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.service.running import Running

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
)  # fmt: skip


@pytest.mark.slow
def test_schemathesis_finds_no_fault(service: Running, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{service.url}/openapi.json",
            "--header", f"Authorization: Bearer {service.token('admin')}", "--max-examples", "40", "--seed", "11",
            "--checks", ",".join(CHECKS),
            "--tls-verify", str(service.certificate), "--generation-database", "none", "--no-color",
        ],
        capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path,
        env=os.environ | {"HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
