"""Inference, side by side: eager PyTorch, ONNX Runtime, OpenVINO; and a whole request of m2fp-lite.

    python benchmarks/inference_speed.py [--models m2fp-r50 m2fp-r101 m2fp-lite] [--side 512] [--rounds 5]

Ratios are taken round by round, the runtimes one after the other in each, in one process with two threads. Weights are
random, but for m2fp-lite: time does not depend on them. A request is what a worker of the service does with a JPEG of
the same side: decode in a sealed process, look for faces, hide them, parse, draw, encode.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from discreet.service.decoder import SealedDecoder

RESULTS = Path(__file__).parent / "results"
PICTURE = Path(__file__).parents[1] / "tests" / "assets" / "people.jpg"
THREADS = 2


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare_runtimes(name: str, side: int, rounds: int) -> dict[str, object]:
    """Milliseconds, and how often faster than eager PyTorch."""
    import torch

    from discreet.export.folder import export_network
    from discreet.inference.exported import read_exported
    from discreet.inference.models import model_folder
    from discreet.inference.runtime import open_backend
    from discreet.labels import label_set
    from discreet.m2fp import build, save_model
    from discreet.m2fp.weights import load_model

    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory() as folder:
        source = model_folder(name) if name == "m2fp-lite" else Path(folder) / "weights"
        if name != "m2fp-lite":
            save_model(source, build(name, 21, seed=0), label_set("cihp"), image_size=(side, side))
        parity = export_network(source, Path(folder) / "out", name=name, sizes=[(side, side)])
        exported = read_exported(Path(folder) / "out")
        model = load_model(source)[0].eval()
        image = np.asarray(Image.open(PICTURE).convert("RGB").resize((side, side)))
        batch = model.normalise(image)[None]

        def eager() -> None:
            with torch.inference_mode():
                model(batch)

        works: dict[str, Callable[[], object]] = {"eager": eager}
        for runtime in ("onnx", "openvino"):
            backend = open_backend(exported, runtime=runtime, threads=THREADS)  # type: ignore[arg-type]
            works[runtime] = lambda backend=backend: backend(image)
        for work in works.values():
            work()
        rows = [{kind: seconds(work) for kind, work in works.items()} for _ in range(rounds)]
    found: dict[str, object] = {"largest_difference": max(entry.largest_difference for entry in parity)}
    for kind in works:
        found[f"{kind}_ms"] = round(statistics.median(row[kind] for row in rows) * 1000, 1)
        if kind != "eager":
            found[f"{kind}_times_faster"] = round(statistics.median(row["eager"] / row[kind] for row in rows), 2)
    return found


def whole_request(side: int, rounds: int, decoder: SealedDecoder) -> dict[str, object]:
    """A request of the shipped m2fp-lite beside its network alone."""
    from discreet.service.pipeline import Pipeline
    from discreet.service.settings import read_settings

    stream = io.BytesIO()
    Image.open(PICTURE).convert("RGB").resize((side, side)).save(stream, "JPEG", quality=90)
    content = stream.getvalue()
    question = {"format": "png", "opacity": 0.5, "request_id": "x"}
    found: dict[str, object] = {"picture_px": side}
    for runtime in ("onnx", "openvino"):
        pipeline = Pipeline(read_settings({"runtime": runtime}, {}), decoder, threads=THREADS)
        size = pipeline._parser.sizes[0]
        canvas = np.asarray(Image.open(PICTURE).convert("RGB").resize((size[1], size[0])))
        laps: list[str] = []
        works: dict[str, Callable[[], object]] = {
            "network": lambda pipeline=pipeline, canvas=canvas: pipeline._parser.backend(canvas),
            "request": lambda pipeline=pipeline, laps=laps: laps.append(
                pipeline.answer(question, content)[0]["timings"]
            ),
        }
        for work in works.values():
            work()
        rows = []
        for _ in range(rounds * 4):
            time.sleep(0.05)  # as between requests: the next decoder is being made ready
            rows.append({kind: seconds(work) for kind, work in works.items()})
        found[runtime] = {
            "canvas": list(size),
            "network_ms": round(statistics.median(row["network"] for row in rows) * 1000, 1),
            "request_ms": round(statistics.median(row["request"] for row in rows) * 1000, 1),
            "request_over_network": round(statistics.median(row["request"] / row["network"] for row in rows), 2),
            "stages": laps[-1],
        }
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=["m2fp-lite", "m2fp-r50", "m2fp-r101"])
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    decoder = SealedDecoder()  # before any thread
    results: dict[str, object] = {"threads": THREADS, "side_px": arguments.side}
    results["request"] = whole_request(arguments.side, arguments.rounds, decoder)
    print(json.dumps(results["request"], indent=1), flush=True)
    decoder.close()
    for name in arguments.models:
        results[name] = compare_runtimes(name, arguments.side, arguments.rounds)
        print(name, json.dumps(results[name], indent=1), flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "inference_speed.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
