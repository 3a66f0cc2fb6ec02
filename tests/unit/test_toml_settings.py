"""What is wrong with a settings file is told in one line, in the words of who wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from discreet.defences.settings import read_compare_settings
from discreet.errors import ConfigurationError
from discreet.export.limits import read_limits
from discreet.training.settings import read_settings

RUN = 'data.train = "folder:a"\n'
LIMITS = 'data = "folder:a"\n[quality]\nmin_miou = 0.5\n'
COMPARE = """
title = "a comparison"
[data]
train = { style = "street", count = 4, size = 64, seed = 1 }
evaluate = "folder:b"
[base]
[rows.of]
defence = "none"
"""


@pytest.mark.parametrize(
    ("read", "text", "old", "new", "message"),
    [
        (read_settings, RUN, "data.train", "data.trian", "data.trian is an unknown key; did you mean train"),
        (read_settings, RUN, "data.train", "dta.train", "dta is an unknown key; did you mean data"),
        (read_settings, RUN, "data.train", "model.init", "data is missing"),
        (read_limits, LIMITS, "min_miou", "min_miuo", "quality.min_miuo is an unknown key; did you mean min_miou"),
        (read_limits, LIMITS, "quality", "qualities", "qualities is an unknown key; did you mean quality"),
        (read_limits, LIMITS, "0.5", "1.5", "quality.min_miou: .*less than or equal to 1.*given: 1.5"),
        (read_limits, LIMITS, "min_miou = 0.5", "", "quality: holds no limit"),
        (read_compare_settings, COMPARE, "title", "tilte", "tilte is an unknown key; did you mean title"),
        (read_compare_settings, COMPARE, "count", "cuont", "data.train.cuont is an unknown key; did you mean count"),
        (read_compare_settings, COMPARE, "count = 4, ", "", "data.train.count is missing"),
        (read_compare_settings, COMPARE, "[base]", "[base]\n[audit]\npictuers = 20", "did you mean pictures"),
        (read_compare_settings, COMPARE, "defence", "defense", "rows.of.defense is an unknown key; did you mean"),
        (
            read_compare_settings,
            COMPARE,
            '"none"',
            '"none"\ncolour = 1',
            "known here are defence, set",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, read, text: str, old: str, new: str, message: str) -> None:
    path = tmp_path / "SETTINGS.toml"
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigurationError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    path.write_text(text)
    read(path)


@pytest.mark.parametrize("read", [read_settings, read_limits, read_compare_settings])
def test_a_file_that_is_not_there_or_no_toml_is_told(tmp_path: Path, read) -> None:
    path = tmp_path / "SETTINGS.toml"
    with pytest.raises(ConfigurationError, match=r"does not exist; .+"):
        read(path)
    path.write_text("a = ")
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        read(path)
