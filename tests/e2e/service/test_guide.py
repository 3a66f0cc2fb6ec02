"""What docs/from-m2fp.md tells newcomers to type does what it says."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from discreet.export.limits import Limits, read_limits
from discreet.m2fp import build, dump_released, load_model
from discreet.training.settings import read_settings
from tests.e2e.service.running import Running

DOCS = Path(__file__).parents[3] / "docs"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("page", ["from-m2fp.md", "from-m2fp.zh-CN.md"])
def test_released_weights_are_read(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = build("m2fp-r101", num_classes=21, seed=5)
    torch.save({"model": dump_released(released)}, tmp_path / "pytorch_model.pt")
    monkeypatch.chdir(tmp_path)
    exec(blocks(page, "python")[0], {})
    model, info = load_model(tmp_path / "released")
    assert info.image_size == (512, 512)
    for key, tensor in released.state_dict().items():
        assert torch.equal(model.state_dict()[key], tensor), key


def test_the_page_asks_its_own_server_and_that_one_the_parser(
    service: Running, picture: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARSER", service.url)
    monkeypatch.setenv("PARSER_CERT", str(service.certificate))
    token_file = tmp_path / "token"
    monkeypatch.setenv("PARSER_TOKEN_FILE", str(token_file))
    page: dict[str, Any] = {"__name__": "page"}
    exec(blocks("from-m2fp.md", "python")[1], page)
    with page["parser"]:
        token_file.write_text("an older one")
        expired = page["app"].test_client().post("/predict", data={"file": (io.BytesIO(picture), "me.jpg")})
        token_file.write_text(service.token() + "\n")
        answer = page["app"].test_client().post("/predict", data={"file": (io.BytesIO(picture), "me.jpg")})
        refused = page["app"].test_client().post("/predict", data={"file": (io.BytesIO(b"what"), "me.jpg")})
    assert expired.status_code == 401
    assert answer.status_code == 200
    sent, came = np.array(Image.open(io.BytesIO(picture))), np.array(Image.open(io.BytesIO(answer.data)))
    assert came.shape == sent.shape
    assert refused.status_code == 422
    assert "problem+json" in refused.content_type


def test_its_settings_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "RUN.toml"
    path.write_text(blocks("from-m2fp.md", "toml")[0])
    settings = read_settings(path)
    assert settings.privacy is not None
    assert settings.privacy.epsilon == 8.0
    path.write_text(blocks("promote.md", "toml")[0])
    assert set(read_limits(path).model_fields_set) == set(Limits.model_fields)
