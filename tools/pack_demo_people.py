"""Pack a folder of generated people into the archive that `discreet demo` takes as its private data set.

    discreet people --style thermal --count 840 --size 160 --seed 2 --out PICTURES
    python tools/pack_demo_people.py PICTURES src/discreet/assets/demo/people.zip

Whole subjects are held out, so that nobody is in both splits. The same pictures give the same bytes.
"""

from __future__ import annotations

import csv
import sys
import zipfile
from pathlib import Path

HELD_OUT_SHARE = 0.15
KINDS = {"images": ".jpg", "parts": ".png", "persons": ".png"}
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def main(pictures: Path, archive: Path) -> None:
    """Write the archive."""
    with (pictures / "subjects.csv").open(newline="", encoding="utf-8") as stream:
        subjects = {row["name"]: row["subject"] for row in csv.DictReader(stream)}
    people = sorted(set(subjects.values()))
    held_out = set(people[: round(HELD_OUT_SHARE * len(people))])
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for split, wanted in (("train", False), ("val", True)):
            names = sorted(name for name, subject in subjects.items() if (subject in held_out) == wanted)
            for kind, suffix in KINDS.items():
                for name in names:
                    put(packed, f"{split}/{kind}/{name}{suffix}", (pictures / kind / f"{name}{suffix}").read_bytes())
            rows = "".join(f"{name},{subjects[name]}\n" for name in names)
            put(packed, f"{split}/subjects.csv", ("name,subject\n" + rows).encode())
            put(packed, f"{split}/labels.json", (pictures / "labels.json").read_bytes())
            print(f"{split}: {len(names)} pictures")


def put(packed: zipfile.ZipFile, name: str, content: bytes) -> None:
    """One member, without the time of day."""
    packed.writestr(zipfile.ZipInfo(name, _ZIP_EPOCH), content)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
