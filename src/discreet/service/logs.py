"""The service's log: one JSON object a line, on stderr. Who asked is the journal's; what was shown is nobody's."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime


def event(what: str, *, level: str = "info", **facts: object) -> None:
    """Write one line.

    Args:
        what: a constant text.
        level: "info", "warning" or "error".
        facts: numbers and constants. *Public*: never a path, a name or a text that a client sent.
    """
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = json.dumps({"time": moment, "level": level, "event": what, **facts}, ensure_ascii=False, default=str)
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def where(problem: BaseException) -> dict[str, object]:
    """An error's kind and place in the code; its text could quote a picture's."""
    frames = traceback.extract_tb(problem.__traceback__)[-3:]
    places = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames]
    return {"error": type(problem).__name__, "at": places}


class JsonHandler(logging.Handler):
    """Libraries' logs in the same form, without their texts' arguments."""

    def emit(self, record: logging.LogRecord) -> None:
        """The text as it stands in the library's code, and no more: arguments could be a client's."""
        text = str(record.msg)
        if "\n" not in text:  # nor tracebacks, which quote values
            event(text, level=record.levelname.lower(), logger=record.name)


def take_over() -> None:
    """Send what libraries log the same way; access logs not at all."""
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers[:] = [JsonHandler()]
    root.setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = name != "uvicorn.access"
