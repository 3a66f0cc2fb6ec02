"""What must never load torch, looked at in a fresh process."""

from __future__ import annotations

import subprocess
import sys

import pytest

TORCH_FREE = [
    "discreet",
    "discreet.cli.main",
    "discreet.data",
    "discreet.inference.parser",
    "discreet.labels",
    "discreet.parsing",
    "discreet.privacy",
    "discreet.privacy.accountant",
    "discreet.privacy.ledger",
    "discreet.privacy.plan",
    "discreet.service.certificate",
    "discreet.service.journal",
    "discreet.service.journal_writer",
    "discreet.service.tokens",
]


@pytest.mark.parametrize("module", TORCH_FREE)
def test_importing_it_loads_no_torch(module: str) -> None:
    code = f"import sys, {module}; print('torch' in sys.modules, 'opacus' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False", "False"]


def test_this_check_sees_torch_where_it_is_loaded() -> None:
    code = "import sys, discreet.privacy.clipping; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "True"
