"""What the documents say is what the code does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from make_reference import reference

from discreet.cli.main import VERBS

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.zh-CN.md")


def test_every_verb_option_and_setting_is_in_the_reference() -> None:
    written = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert written == reference(), "run: python tools/make_reference.py > docs/reference.md"


@pytest.mark.parametrize("name", READMES)
def test_commands_in_the_readme_are_real(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = "\n".join(text.split("```")[1::2])
    commands = re.findall(r"^discreet .*$", blocks, flags=re.MULTILINE)
    assert len(commands) >= 5
    known = reference()
    for command in commands:
        words = shlex.split(command, comments=True)
        assert words[1] in VERBS, command
        for option in (word for word in words if word.startswith("--")):
            section = known.split(f"### discreet {words[1]}\n")[1].split("###")[0]
            assert f"`{option}`" in section, command
    targets = re.findall(r"^make (\w+)", blocks, flags=re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in targets)


@pytest.mark.parametrize("name", READMES)
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!http)([^)#]+)\)", text)
    assert links
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing


@pytest.mark.parametrize("name", READMES)
def test_the_settings_in_the_readme_are_accepted(name: str, tmp_path: Path) -> None:
    from discreet.training.settings import read_settings

    text = (ROOT / name).read_text(encoding="utf-8")
    private, single_person = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    path = tmp_path / "RUN.toml"
    path.write_text(private)
    assert read_settings(path).privacy is not None
    path.write_text(single_person)
    assert not read_settings(path).model.human


def test_every_shipped_asset_has_its_licence_in_the_notice() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assets = ROOT / "src" / "discreet" / "assets"
    for path in assets.rglob("*"):
        if path.is_file():
            inside = path.relative_to(ROOT).as_posix()
            assert inside in notice or f"{path.parent.relative_to(ROOT).as_posix()}/" in notice, inside
