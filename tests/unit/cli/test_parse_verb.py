"""`discreet parse` with an untrained network: what it writes, prints and refuses."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from discreet.cli.main import main
from discreet.labels import CIHP


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from discreet.m2fp import build, save_model

    folder = tmp_path_factory.mktemp("model")
    save_model(folder, build("m2fp-lite", len(CIHP) + 1, seed=0), CIHP, image_size=(64, 64))
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, (height, width) in {"one.jpg": (50, 40), "two.png": (30, 70)}.items():
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_a_folder_is_parsed(pictures: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["parse", str(pictures), "--out", str(out), "--model", str(model), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["problems"] == []
    assert [Path(entry["picture"]).name for entry in found["pictures"]] == ["one.jpg", "two.png"]
    first = found["pictures"][0]
    assert set(first) == {"picture", "width", "height", "persons", "parts", "faces", "milliseconds"}
    assert (first["width"], first["height"], first["faces"]) == (40, 50, None)
    assert sorted(path.name for path in out.iterdir()) == [
        "one.overlay.png", "one.parts.png", "parse.json", "two.overlay.png", "two.parts.png",
    ]  # fmt: skip
    with Image.open(out / "two.parts.png", formats=("PNG",)) as parts:
        assert (parts.mode, parts.size) == ("P", (70, 30))
        counts = np.bincount(np.asarray(parts).ravel(), minlength=len(CIHP))
    shown = found["pictures"][1]["parts"]
    assert shown == {name: int(count) for name, count in zip(CIHP.names[1:], counts[1:], strict=True) if count}


def test_what_cannot_be_read_is_reported_and_the_rest_is_done(
    pictures: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "half.jpg").write_bytes((pictures / "one.jpg").read_bytes()[:300])
    words = ["parse", f"{pictures}/*.jpg", str(pictures / "gone.png"), "--out", str(tmp_path), "--model", str(model)]
    assert main(words) == 1
    captured = capsys.readouterr()
    assert "half.jpg is truncated or damaged" in captured.err
    assert "gone.png does not exist" in captured.err
    assert "one.jpg" in captured.out
    assert (tmp_path / "one.parts.png").exists()
    assert not (tmp_path / "half.parts.png").exists()


def test_two_pictures_of_one_name_are_refused_before_anything_is_done(
    pictures: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other" / "ONE.png"
    other.parent.mkdir()
    other.write_bytes((pictures / "two.png").read_bytes())
    out = tmp_path / "out"
    assert main(["parse", str(pictures), str(other), "--out", str(out), "--model", str(model)]) == 1
    assert "rename one" in capsys.readouterr().err
    assert not out.exists()
    assert main(["parse", str(other), str(other), "--out", str(out), "--model", str(model)]) == 0, "one, named twice"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--opacity", "1.5"], "0 to 1"),
        (["--model", "nobody-knows"], "neither a folder"),
    ],
)
def test_what_makes_no_sense_is_refused(
    words: list[str], message: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["parse", str(pictures / "one.jpg"), "--out", str(out), *words]) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_nothing_to_parse_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for word in (str(tmp_path), f"{tmp_path}/*.jpg"):
        assert main(["parse", word, "--out", str(tmp_path / "out")]) == 1
        assert "holds no picture" in capsys.readouterr().err


@pytest.mark.parametrize("spelt", ["{}", "{}/", "{}/../pictures"])
def test_results_never_lie_among_the_pictures(
    spelt: str, pictures: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(pictures.iterdir())
    assert main(["parse", str(pictures), "--out", spelt.format(pictures), "--model", str(model)]) == 2
    assert "name another" in capsys.readouterr().err
    assert sorted(pictures.iterdir()) == before


def test_faces_are_hidden_before_parsing(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    portrait = Path(__file__).parents[2] / "assets" / "faces" / "portrait.png"
    words = ["parse", str(portrait), "--model", str(model), "--opacity", "0", "--json"]
    shown = {}
    for option in ("--mask-faces", "--no-mask-faces"):
        assert main([*words, "--out", str(tmp_path / option), option]) == 0
        (entry,) = json.loads(capsys.readouterr().out)["pictures"]
        assert entry["faces"] == (1 if option == "--mask-faces" else None)
        with Image.open(tmp_path / option / "portrait.overlay.png") as overlay:
            shown[option] = np.asarray(overlay)
    with Image.open(portrait) as original:
        pixels = np.asarray(original.convert("RGB"))
    assert (shown["--no-mask-faces"] == pixels).all()
    middle = shown["--mask-faces"][110:150, 110:140]
    assert (middle == middle[0, 0]).all()


def test_what_was_done_is_left_out_unless_it_is_older(
    pictures: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["parse", str(pictures), "--out", str(tmp_path / "out"), "--model", str(model), "--json"]

    def parsed(*more: str) -> list[str]:
        assert main([*words, *more]) == 0
        return [Path(entry["picture"]).name for entry in json.loads(capsys.readouterr().out)["pictures"]]

    assert parsed("--resume") == ["one.jpg", "two.png"]
    assert parsed("--resume") == []
    assert parsed() == ["one.jpg", "two.png"]
    (tmp_path / "out" / "one.parts.png").unlink()
    assert parsed("--resume") == ["one.jpg"]
    newer = (tmp_path / "out" / "two.parts.png").stat().st_mtime + 10
    os.utime(pictures / "two.png", (newer, newer))
    assert parsed("--resume") == ["two.png"]


@pytest.mark.parametrize(
    ("more", "named"),
    [(["--opacity", "0.25"], "--opacity 0.5"), (["--mask-faces"], "--no-mask-faces"), (["--model"], "another --model")],
)
def test_results_of_other_options_are_not_resumed(
    more: list[str], named: str, pictures: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["parse", str(pictures / "one.jpg"), str(pictures / "two.png"), "--out", str(out), "--model", str(model)]
    other = [*more, "m2fp-lite"] if more == ["--model"] else more
    assert main(words) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main([*words, *other, "--resume"]) == 1
    error = capsys.readouterr().err
    assert f"holds results with {named}: resume with the same" in error
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    # Half of them anew: the other half is still of the options before, and is not taken for done.
    del words[1]
    assert main([*words, *other]) == 0
    capsys.readouterr()
    words.insert(1, str(pictures / "one.jpg"))
    assert main([*words, *other, "--resume", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert ([Path(entry["picture"]).name for entry in found["pictures"]], found["left_out"]) == (["one.jpg"], 1)
    assert main([*words, *other, "--resume"]) == 0
    assert "2 were there already" in capsys.readouterr().out


def test_results_that_nobody_noted_the_options_of_are_made_anew(
    pictures: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["parse", str(pictures), "--out", str(out), "--model", str(model), "--resume"]
    assert main(words) == 0
    noted = (out / "parse.json").read_text()
    assert str(tmp_path) not in noted
    (out / "parse.json").unlink()
    os.utime(pictures / "one.jpg", (0, 0))
    capsys.readouterr()
    assert main(words) == 0
    assert "0 were there already" in capsys.readouterr().out
    assert (out / "parse.json").read_text() == noted


def test_a_picture_named_parse_and_a_file_of_others_are_in_nobodys_way(
    pictures: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (pictures / "one.jpg").rename(pictures / "parse.jpg")
    (pictures / "two.png").rename(pictures / "parse.json.png")
    words = ["parse", str(pictures), "--out", str(out), "--model", str(model)]
    assert main(words) == 0
    assert len(list(out.iterdir())) == 5
    for mine in ("", "[1]", '{"mine": 1}'):
        (out / "parse.json").write_text(mine)
        assert main(words) == 1
        assert "move it away" in capsys.readouterr().err
        assert (out / "parse.json").read_text() == mine


def test_a_name_too_long_for_its_results_is_reported_and_the_rest_is_done(
    pictures: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "one.jpg").rename(pictures / f"{'a' * 250}.jpg")
    (pictures / "two.png").rename(pictures / f"{'b' * 240}.png")
    words = ["parse", str(pictures), "--out", str(tmp_path / "out"), "--model", str(model), "--json"]
    for resume in ([], ["--resume"]):
        assert main([*words, *resume]) == 1
        found = json.loads(capsys.readouterr().out)
        (problem,) = found["problems"]
        assert problem["picture"].endswith("a.jpg")
        assert "File name too long; rename it" in problem["what"]
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == [f"{'b' * 240}.overlay.png", f"{'b' * 240}.parts.png", "parse.json"]


def test_what_a_killed_parse_left_goes_when_the_picture_is_parsed_again(
    pictures: Path, model: Path, tmp_path: Path
) -> None:
    """A half-written overlay is a picture of somebody: it must not lie there under a name that nobody knows."""
    out = tmp_path / "out"
    words = ["parse", str(pictures / "one.jpg"), "--out", str(out), "--model", str(model)]
    killed = "import os, sys; from discreet.cli.main import main; os.replace = lambda *_: os._exit(9); main()"
    assert subprocess.run([sys.executable, "-c", killed, *words], check=False).returncode == 9
    assert any(path.suffix == ".unfinished" for path in out.iterdir())
    assert main(words) == 0
    assert not any(path.suffix == ".unfinished" for path in out.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk at hand")
def test_a_full_disk_stops_at_once_and_leaves_nothing_unfinished(
    pictures: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What would become the first picture's overlay goes to a device that is always full."""

    def written() -> dict[str, int]:
        return {path.name: path.lstat().st_mtime_ns for path in out.iterdir()}

    out = tmp_path / "out"
    words = ["parse", str(pictures), "--out", str(out), "--model", str(model)]
    assert main(words) == 0
    before = written()
    unfinished = hashlib.sha256(b"one.overlay.png").hexdigest()[:16]
    (out / f".{unfinished}.unfinished").symlink_to("/dev/full")
    capsys.readouterr()
    assert main(words) == 1
    assert "No space left on device; check the path" in capsys.readouterr().err
    assert written() == before, "the second picture is not even tried"


def test_a_disk_without_room_for_a_name_stops_at_once(
    pictures: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that names a file, as only a file system of one's own would bring about."""
    tried: list[object] = []

    def full(*paths: object) -> None:
        tried.append(paths)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "overlay.png")

    words = ["parse", str(pictures), "--out", str(tmp_path / "out"), "--model", str(model)]
    assert main(words) == 0
    monkeypatch.setattr(os, "replace", full)
    assert main(words) == 1
    assert len(tried) == 1
