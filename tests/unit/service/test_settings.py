"""Settings: options win over the environment, and a wrong one is named with its range."""

from __future__ import annotations

from pathlib import Path

import pytest

from discreet.errors import ConfigurationError
from discreet.inference.faces import LARGEST_SIDE_PX
from discreet.service.options import OPTIONS
from discreet.service.settings import read_settings


def test_options_win_over_the_environment_and_that_over_defaults() -> None:
    environment = {"DISCREET_PORT": "9000", "DISCREET_QUEUE": "3", "DISCREET_STATE": "/elsewhere", "PORT": "1"}
    settings = read_settings({"port": "9001", "queue": None}, environment)
    assert (settings.port, settings.queue, settings.faces) == (9001, 3, "mask")


@pytest.mark.parametrize("variable", ["DISCREET_DENYLST", "DISCREET_FACE", "DISCREET_ANSWER_SIDE"])
def test_a_misspelt_variable_is_not_passed_over(variable: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{variable} is no setting; did you mean {variable[:13]}"):
        read_settings({}, {variable: "1"})


def test_variables_of_others_are_let_be() -> None:
    theirs = {"DISCREET_SERVICE_HOST": "10.0.0.1", "DISCREET_PORT_443_TCP": "tcp://10.0.0.1:443", "DENYLST": "1"}
    assert read_settings({}, {**theirs, "DISCREET_STATE": "/elsewhere"}) == read_settings({}, {})


def test_truth_can_be_written_in_the_environment() -> None:
    assert read_settings({}, {"DISCREET_BEHIND_PROXY": "true"}).behind_proxy
    assert not read_settings({}, {"DISCREET_BEHIND_PROXY": "0"}).behind_proxy


def test_paths_are_paths() -> None:
    assert read_settings({"cert": "a.pem"}, {}).cert == Path("a.pem")


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("port", "70000", "less than or equal to 65535"),
        ("faces", "some", "'mask', 'mask-output', 'refuse' or 'off'"),
        ("face_scale", "1.0", "greater than or equal to 1.3"),
        ("face_scale", "nan", "finite number"),
        ("deadline_s", "0", "greater than 0"),
        ("deadline_s", "nan", "finite number"),
        ("drain_s", "inf", "finite number"),
    ],
)
def test_a_wrong_value_is_named_with_its_range_and_both_spellings(name: str, value: str, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings({name: value}, {})
    message = str(caught.value)
    assert named in message
    assert value in message
    assert f"--{name.replace('_', '-')}" in message
    assert f"DISCREET_{name.upper()}" in message


def test_the_size_of_answers_is_told_as_it_is() -> None:
    assert f"at most {LARGEST_SIDE_PX} pixels" in OPTIONS["answer_side_px"].description
