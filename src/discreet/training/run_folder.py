"""Where a run's files lie: what may be handed out, and what must not.

The run's folder holds public things only. Checkpoints and the key lie in the state folder under
the run's id, and go when the run is complete.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from discreet.errors import CheckpointError, ConfigurationError
from discreet.training.settings import RunSettings

RUN_FILE = "run.json"
_RUN_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class RunRecord:
    """What a run's folder remembers of it. *Public*

    Args:
        run_id: its name in the ledger and the state folder.
        config_hash: of its settings.
        complete: whether its model has been released.
        micro_batch_size: that was found where the settings say "auto", so that a resumed run repeats it.
        num_processes: that take its steps, because another number would repeat a step with another rounding.
    """

    run_id: str
    config_hash: str
    complete: bool = False
    micro_batch_size: int | None = None
    num_processes: int = 1


def check_folder(out: Path, settings: RunSettings, *, resume: bool, num_processes: int = 1) -> RunRecord | None:
    """The run in `out` to go on with; None where a new one may start there. Writes nothing.

    Raises:
        ConfigurationError: the folder holds something already and --resume was not given.
        CheckpointError: nothing to resume, or it has another configuration or number of processes.
    """
    record_path = out / RUN_FILE
    if resume:
        record = read_record(record_path)
        if record.config_hash != settings.digest():
            raise CheckpointError(
                f"{out} was started with another configuration; resume with the settings in {out / 'config.toml'}, "
                "or start a new run in another folder"
            )
        if record.num_processes != num_processes:
            raise CheckpointError(
                f"{out} was started by {record.num_processes} process(es), not {num_processes}; resume it with as "
                "many: torchrun --nproc-per-node N -m discreet train …, or without torchrun for one"
            )
        return record
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigurationError(f"{out} exists and is not empty; choose another folder, or go on with --resume")
    return None


def open_run(out: Path, settings: RunSettings, *, resume: bool, num_processes: int = 1) -> RunRecord:
    """Start a run in `out`, or find the one to go on with.

    Raises:
        DiscreetError: as of `check_folder`.
    """
    record = check_folder(out, settings, resume=resume, num_processes=num_processes)
    if record is not None:
        return record
    out.mkdir(parents=True, exist_ok=True)
    record = RunRecord(secrets.token_hex(8), settings.digest(), num_processes=num_processes)
    write_text(out / "config.toml", settings.to_toml())
    write_record(out, record)
    return record


def write_record(out: Path, record: RunRecord) -> None:
    """Remember the run in its folder."""
    write_text(out / RUN_FILE, json.dumps(asdict(record), indent=1) + "\n")


def private_folder(state: Path, run_id: str) -> Path:
    """The run's place in the state folder, closed to others."""
    folder = state / "runs" / run_id
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    return folder


def remove_private_folder(state: Path, run_id: str) -> None:
    """Remove checkpoints of a complete run."""
    shutil.rmtree(state / "runs" / run_id, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write atomically: a reader finds the old or the new file, whole."""
    temporary = path.with_name(path.name + ".partial")
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def read_record(path: Path) -> RunRecord:
    """What a run's folder remembers.

    Raises:
        CheckpointError: it holds no run, or the file is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content.get("micro_batch_size")
        record = RunRecord(
            str(content["run_id"]),
            str(content["config_hash"]),
            content["complete"] is True,
            None if found is None else int(found),
            int(content.get("num_processes", 1)),
        )
    except FileNotFoundError:
        raise CheckpointError(
            f"{path.parent} holds no {path.name}, so no run to resume or look into; name the whole folder of a run"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise CheckpointError(f"{path} is damaged ({type(problem).__name__}); start the run anew") from None
    if not _RUN_ID.fullmatch(record.run_id):
        raise CheckpointError(f"{path} is damaged (run id); start the run anew")
    return record
