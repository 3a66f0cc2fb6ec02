"""Settings in TOML files: read, and checked by a pydantic model; what is wrong is told in one line."""

from __future__ import annotations

import difflib
import tomllib
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from discreet.errors import ConfigurationError

Settings = TypeVar("Settings", bound=BaseModel)


def read_toml(path: Path, example: str) -> dict[str, Any]:
    """What a file holds.

    Args:
        path: the TOML file.
        example: what to say where there is none, e.g. "docs/promote.md shows one".

    Raises:
        ConfigurationError: missing, unreadable, or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path} does not exist; {example}") from None
    except (OSError, ValueError) as problem:
        raise ConfigurationError(f"{path} is not valid TOML: {problem}") from None


def checked(model: type[Settings], content: dict[str, Any], origin: str) -> Settings:
    """A tree of settings as the model has them; `origin` names it in errors.

    Raises:
        ConfigurationError: an unknown or missing key, or a value out of range: the first, with the nearest known key
            where one was misspelt.
    """
    try:
        return model.model_validate(content)
    except ValidationError as problem:
        # A misspelt key is missing, too; of what may be a table or a string, a table's own complaint lies deeper.
        first = max(problem.errors(), key=lambda error: (error["type"] == "extra_forbidden", len(error["loc"])))
    where, section = _followed(model, first["loc"])
    if first["type"] == "extra_forbidden" and section is not None:
        known = list(section.model_fields)
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known here are {', '.join(known)}"
        raise ConfigurationError(f"{origin}: {where} is an unknown key; {hint}")
    if first["type"] == "missing":
        raise ConfigurationError(f"{origin}: {where} is missing")
    message = first["msg"].removeprefix("Value error, ")
    given = first.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float) else ""
    raise ConfigurationError(f"{origin}: {where or 'settings'}: {message}{shown}")


def _followed(model: type[BaseModel], location: Sequence[int | str]) -> tuple[str, type[BaseModel] | None]:
    """A place as a reader of the file knows it, and the section in which its last part is."""
    kind: Any = model
    section, shown = None, list[str]()
    for part in location:
        if _is_alternative(kind) and part in {getattr(one, "__name__", None) for one in get_args(kind)}:
            kind = next(one for one in get_args(kind) if getattr(one, "__name__", None) == part)
            continue  # pydantic names which of several it tried
        section = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
        kind = _inside(kind, part)
        shown.append(str(part))
    return ".".join(shown), section


def _inside(kind: Any, part: int | str) -> Any:
    """The type of one part of a value; None where it is not known."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(part))
        inner: Any = None if field is None else field.annotation
        tables = [one for one in get_args(inner) if one is not types.NoneType] if _is_alternative(inner) else []
        return tables[0] if len(tables) == 1 else inner
    arguments = get_args(kind)
    return arguments[-1] if arguments and not _is_alternative(kind) else None


def _is_alternative(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)
