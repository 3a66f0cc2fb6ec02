"""What `discreet serve` can be told, apart from what checks it: this is read for `--help`, which has to be quick."""

from __future__ import annotations

from typing import NamedTuple


class Option(NamedTuple):
    """One setting.

    Args:
        default: where neither option nor environment says otherwise.
        kind: "flag", or what is expected after the option: a word, or choices with bars between them.
        description: for `--help` and the reference.
    """

    default: object
    kind: str
    description: str


OPTIONS: dict[str, Option] = {
    "host": Option("127.0.0.1", "VALUE", "address to listen on"),
    "port": Option(8443, "N", "port to listen on; 0 takes a free one"),
    "model": Option("m2fp-lite", "VALUE", "a shipped name or an exported folder"),
    "promoted_by": Option(
        None, "FILE", "public key, PEM: serve only a network whose promotion it signed (see `discreet promote`)"
    ),
    "promotion": Option(None, "FILE", "record of the promotion; by default promotion.json in the network's folder"),
    "cert": Option(None, "FILE", "TLS certificate, PEM; without one a self-signed one is made"),
    "key": Option(None, "FILE", "the certificate's key, PEM"),
    "behind_proxy": Option(False, "flag", "plain HTTP, because a proxy in front speaks TLS"),
    "trusted_proxies": Option("127.0.0.1", "VALUE", "addresses whose X-Forwarded-For is believed, with commas"),
    "open": Option(False, "flag", "plain HTTP without tokens; on loopback only"),
    "allowed_hosts": Option("", "VALUE", "host names to answer to, with commas; empty: any"),
    "faces": Option(
        "mask",
        "mask|mask-output|refuse|off",
        "mask faces before the network sees them, only in the answer, refuse pictures with faces, or off",
    ),
    "face_fill": Option("solid", "solid|blur", "a plain ellipse, or a blurred made-up face"),
    "face_scale": Option(1.3, "X", "size of the ellipse over the detected face"),
    "answer_side_px": Option(
        0,
        "N",
        "longest side of what is answered; 0: as large as the picture is worked on, at most 2048 pixels where faces "
        "are looked for",
    ),
    "smooth_px": Option(0, "N", "radius over which contours are smoothed; 0: not at all"),
    "label_only": Option(False, "flag", "answer the parts that are there, and no mask"),
    "workers": Option(0, "N", "processes that parse; 0: one for each two cores"),
    "threads": Option(0, "N", "threads of each; 0: the cores shared out among the workers"),
    "runtime": Option("auto", "auto|onnx|openvino", "what runs the network"),
    "queue": Option(16, "N", "requests that may wait; more are refused with 503"),
    "deadline_s": Option(20.0, "X", "longest time from upload to answer"),
    "max_bytes": Option(10000000, "N", "largest upload"),
    "max_pixels": Option(25000000, "N", "largest picture"),
    "rate": Option("120/minute", "VALUE", "requests of one subject"),
    "drain_s": Option(20.0, "X", "longest wait for running requests at the end"),
    "allow_swap": Option(False, "flag", "run although memory may be swapped to disk"),
    "allow_unsealed": Option(False, "flag", "run although the processes that decode pictures cannot be sealed"),
    "issuer": Option("discreet", "VALUE", "the `iss` that tokens must carry"),
    "audience": Option("discreet", "VALUE", "the `aud` that tokens must carry"),
    "jwks": Option(None, "FILE", "public keys of tokens; by default those of `discreet token`"),
    "denylist": Option(None, "FILE", "token ids (`jti`) that are refused, one a line"),
    "journal": Option(None, "FILE", "folder of the journal; by default in the state folder"),
    "journal_days": Option(30, "N", "days after which journal lines are deleted"),
}
