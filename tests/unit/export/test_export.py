"""Exporting: whole, compared, small; wrong requests are refused before anything is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from discreet.cli.main import main
from discreet.errors import ConfigurationError, WeightsError
from discreet.export import folder as export_folder
from discreet.export.folder import compare, export_network, sizes_around
from discreet.inference.runtime import load_exported
from discreet.labels import label_set
from discreet.m2fp import build, save_model
from discreet.training.starts import lineage_of


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    model, told = build("m2fp-lite", 21, seed=4), {"lineage": ["first", "second"]}
    save_model(out, model, label_set("cihp"), image_size=(64, 64), dtype="float16", extra=told)
    return out


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "new"
    parity = export_network(trained, out, name="mine", sizes=[(64, 96), (64, 64)])
    assert [entry.size for entry in parity] == [(64, 96), (64, 64)]
    assert max(entry.largest_difference for entry in parity) < 1e-3
    return out


def test_an_export_parses(exported: Path) -> None:
    parser = load_exported(exported, runtime="onnx")
    assert parser.canvas == (64, 96)
    assert parser.parse(np.zeros((50, 70, 3), np.uint8)).parts.shape == (50, 70)


def test_an_export_knows_the_runs_it_comes_from(trained: Path, exported: Path) -> None:
    assert lineage_of(exported) == lineage_of(trained) == ("first", "second")


def test_weights_are_stored_once_for_all_sizes(exported: Path) -> None:
    graphs = sum(path.stat().st_size for path in exported.glob("*.onnx"))
    weights = (exported / "weights.bin").stat().st_size
    assert len(list(exported.glob("*.onnx"))) == 2
    assert graphs < 500_000 < weights < 20_000_000


def test_another_network_is_no_match(exported: Path, tmp_path: Path) -> None:
    save_model(tmp_path, build("m2fp-lite", 21, seed=5), label_set("cihp"), image_size=(64, 64))
    with pytest.raises(WeightsError, match="is off by"):
        compare(tmp_path, exported, "onnx")


def test_an_export_that_differs_does_not_pass(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_folder, "LARGEST_DIFFERENCE", 1e-12)
    with pytest.raises(WeightsError, match="is off by"):
        export_network(trained, tmp_path / "out", name="mine", sizes=[(64, 64)])


@pytest.mark.parametrize("size", [(100, 64), (0, 64), (64, 4096)])
def test_sizes_that_do_not_fit_are_refused_first(trained: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(ConfigurationError, match="multiples of 32"):
        export_network(trained, tmp_path / "out", name="mine", sizes=[size])
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_left_alone(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="not empty"):
        export_network(trained, tmp_path, name="mine", sizes=[(64, 64)])


@pytest.mark.parametrize(("side", "code"), [("31", 2), ("32", 0), ("2048", 0), ("2049", 2), ("-64", 2)])
def test_a_side_has_bounds(
    side: str,
    code: int,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = []

    def noted(_: Path, out: Path, *, sizes: list[tuple[int, int]], **__: object) -> list[object]:
        out.mkdir()
        asked.extend(sizes)
        return []

    monkeypatch.setenv("DISCREET_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(export_folder, "export_network", noted)
    assert main(["export", str(trained), "--to", "web", "--out", str(tmp_path / "out"), "--side", side]) == code
    assert asked == ([(int(side), int(side))] if code == 0 else [])
    assert ("32 to 2048 pixels" in capsys.readouterr().err) == (code == 2)


def test_shapes_have_about_as_many_pixels() -> None:
    for side in (192, 256, 512):
        for height, width in sizes_around(side):
            assert 0.8 < height * width / side**2 < 1.25
            assert height % 32 == width % 32 == 0
