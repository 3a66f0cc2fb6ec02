"""Data sets one after the other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from discreet.data import open_spec
from discreet.data.joined import Joined
from discreet.errors import ConfigurationError


def small(folder: Path, labels: object, part: int) -> str:
    """A data set of one picture, all of it one part."""
    for kind, mode, colour in (("images", "RGB", (9, 9, 9)), ("parts", "L", part)):
        (folder / kind).mkdir(parents=True)
        Image.new(mode, (4, 4), colour).save(folder / kind / "a.png")
    (folder / "labels.json").write_text(json.dumps(labels))
    return f"folder:{folder}"


def test_pictures_of_one_set_follow_those_of_another(tmp_path: Path) -> None:
    specs = [small(tmp_path / name, ["sky", "shirt", "shoe"], part) for name, part in (("one", 1), ("two", 2))]
    joined = Joined([open_spec(spec) for spec in specs])
    assert (len(joined), list(joined.names)) == (2, [f"{spec}/a" for spec in specs])
    assert [int(joined[index].parts[0, 0]) for index in range(2)] == [1, 2]


def test_sets_of_other_parts_are_refused_unless_shown_in_the_same(tmp_path: Path) -> None:
    """Part 10 is skin of the torso in CIHP, and jumpsuits in LIP."""
    cihp, lip = small(tmp_path / "one", "cihp", 10), small(tmp_path / "two", "lip", 10)
    with pytest.raises(ConfigurationError, match=r"two has other parts than .*one; \?labels=NAME"):
        Joined([open_spec(cihp), open_spec(lip)])
    assert len(Joined([open_spec(cihp), open_spec(f"{lip}?labels=cihp")])) == 2
