"""The contract of the service, over TLS, as its clients see it."""

from __future__ import annotations

import base64
import io
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import httpx
import numpy as np
import pytest
from PIL import Image

from discreet.parsing.face_mask import mask_faces
from tests.e2e.service.running import Running


def send(client: httpx.Client, content: bytes, **options: str) -> httpx.Response:
    data = {name: value for name, value in options.items() if name != "accept"}
    headers = {"Accept": options["accept"]} if "accept" in options else {}
    return client.post("/predict", files={"file": ("holiday.jpg", content, "image/jpeg")}, data=data, headers=headers)


@pytest.fixture(scope="module")
def client(service: Running) -> Iterator[httpx.Client]:
    with service.client() as opened:
        yield opened


def test_an_old_client_gets_its_overlay(client: httpx.Client, picture: bytes) -> None:
    answer = send(client, picture)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    shown, sent = Image.open(io.BytesIO(answer.content)), Image.open(io.BytesIO(picture))
    assert shown.size == sent.size
    changed = np.any(np.asarray(shown) != np.asarray(sent.convert("RGB")), axis=2)
    assert 0.02 < changed.mean() < 0.95
    assert not shown.info.keys() & {"exif", "Comment", "Software"}


def test_opacity_zero_shows_the_masked_picture_alone(client: httpx.Client, picture: bytes) -> None:
    shown = np.asarray(Image.open(io.BytesIO(send(client, picture, opacity="0").content)))
    sent = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    boxes = send(client, picture, accept="application/json").json()["faces"]["boxes"]
    assert boxes, "the picture shows a face"
    for x0, y0, x1, y1 in boxes:
        face = shown[round(y0 + 0.2 * (y1 - y0)) : round(y1 - 0.2 * (y1 - y0)), round((x0 + x1) / 2)]
        assert len(face) > 5
        assert not face.any(), "black from forehead to chin"
    nearby = ~mask_faces(np.full_like(sent, 255), boxes, scale=1.5).any(2)
    np.testing.assert_array_equal(shown[~nearby], sent[~nearby])


def test_json_holds_label_map_persons_and_timings(client: httpx.Client, picture: bytes) -> None:
    answer = send(client, picture, accept="application/json")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    parts = Image.open(io.BytesIO(base64.b64decode(found["parts_png"])))
    persons = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["persons_png"]))))
    assert parts.mode == "P"
    assert parts.size == (found["width"], found["height"])
    ids = np.asarray(parts)
    named = {label["id"]: label["name"] for label in found["labels"]}
    counted = {named[part]: int((ids == part).sum()) for part in np.unique(ids) if part}
    assert counted == found["parts"]
    assert persons.max() == len(found["persons"]) >= 1
    assert found["labels"][0] == {
        "id": 0, "name": "Background", "name_zh": "背景", "colour": "#000000", "left_right": None,
    }  # fmt: skip
    assert found["palette"] == [list(bytes.fromhex(label["colour"][1:])) for label in found["labels"]]
    assert {"total", "decode", "faces", "parse", "encode"} <= found["milliseconds"].keys()
    assert found["request_id"] == answer.headers["x-request-id"]
    assert found["faces"]["policy"] == "mask"


def test_both_forms_agree(client: httpx.Client, picture: bytes) -> None:
    found = send(client, picture, accept="application/json").json()
    ids = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["parts_png"]))))
    plain = np.asarray(Image.open(io.BytesIO(send(client, picture, opacity="0").content)))
    painted = np.asarray(Image.open(io.BytesIO(send(client, picture, opacity="1").content)))
    changed = np.any(plain != painted, axis=2)
    assert not changed[ids == 0].any()
    assert changed[ids > 0].mean() > 0.95


def test_answers_are_not_to_be_kept_and_come_with_the_headers_of_a_careful_site(
    client: httpx.Client, picture: bytes
) -> None:
    for answer in (send(client, picture), client.get("/"), client.get("/nothing"), client.get("/policy")):
        headers = answer.headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["strict-transport-security"].startswith("max-age=")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
        assert headers["x-request-id"]
    assert send(client, picture).headers["cache-control"] == "no-store"


def test_rate_headers_say_what_is_left(client: httpx.Client, picture: bytes) -> None:
    first, second = (int(send(client, picture).headers["ratelimit-remaining"]) for _ in range(2))
    assert second == first - 1


def test_health_model_and_policy_need_no_token(service: Running) -> None:
    with httpx.Client(base_url=service.url, verify=service.tls()) as anybody:
        assert anybody.get("/healthz").json() == {"status": "alive"}
        assert anybody.get("/readyz").json()["workers"] >= 1
        policy = anybody.get("/policy").json()
        assert policy["faces"] == "mask"
        assert policy["open"] is False
        model = anybody.get("/model").json()
        assert model["name"] == "m2fp-lite"
        assert len(model["digest"]) == 64
        assert anybody.get("/openapi.json").json()["paths"]["/predict"]["post"]
        assert anybody.get("/").headers["content-type"].startswith("text/html")


def test_metrics_need_their_scope(service: Running, picture: bytes) -> None:
    with service.client("parse") as parser, service.client("metrics") as scraper, service.client("admin") as admin:
        send(parser, picture)
        assert parser.get("/metrics").status_code == 403
        assert send(scraper, picture).status_code == 403
        assert admin.get("/metrics").status_code == 200
        text = scraper.get("/metrics").text
    assert 'discreet_requests_total{route="/predict",status="200"}' in text
    assert "discreet_workers 1.0" in text


def test_refusals_that_cost_nothing_do_not_fill_the_journal(service: Running) -> None:
    def num_lines() -> int:
        with closing(sqlite3.connect(service.state / "service" / "journal" / "journal.sqlite")) as journal:
            return journal.execute("SELECT COUNT(*) FROM lines").fetchone()[0]

    before = num_lines()
    with service.client("metrics") as scraper:
        assert {send(scraper, b"").status_code for _ in range(45)} == {403}
    assert 20 < num_lines() - before <= 30


def test_nobody_without_a_token_is_served(service: Running, picture: bytes) -> None:
    with httpx.Client(base_url=service.url, verify=service.tls()) as anybody:
        answer = send(anybody, picture)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["type"] == "urn:discreet:problem:token"
        anybody.headers["Authorization"] = "Bearer x.y.z"
        wrong = send(anybody, picture)
        assert wrong.status_code == 401
        assert 'error="invalid_token"' in wrong.headers["www-authenticate"]


def test_plain_http_is_not_spoken(service: Running) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(service.url.replace("https:", "http:") + "/healthz")


def test_a_stranger_does_not_trust_the_certificate(service: Running) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(service.url + "/healthz")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "image/png"), ("application/json, */*;q=0.1", "application/json"), ("image/*", "image/png"),
        ("application/json;q=0.2, image/png;q=0.9", "image/png"), ("text/html", None),
    ],
)  # fmt: skip
def test_what_is_accepted_is_answered(client: httpx.Client, picture: bytes, accept: str, kind: str | None) -> None:
    answer = send(client, picture, accept=accept)
    if kind is None:
        assert answer.status_code == 406
        assert answer.headers["content-type"] == "application/problem+json"
    else:
        assert answer.headers["content-type"] == kind


def test_curl_as_in_the_readme(service: Running, picture: bytes) -> None:
    done = subprocess.run(
        ["curl", "--silent", "--fail-with-body", "--cacert", str(service.certificate),
         "-H", f"Authorization: Bearer {service.token()}", "-F", "file=@-;filename=a.jpg", f"{service.url}/predict"],
        input=picture, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(b"\x89PNG")


def test_the_server_has_loaded_no_torch_and_no_training_code() -> None:
    code = (
        "import sys, discreet.service.app, discreet.service.pipeline;"
        "print([name for name in sys.modules if name.split('.')[0] in ('torch', 'opacus')"
        " or name.startswith(('discreet.data', 'discreet.m2fp', 'discreet.privacy', 'discreet.training'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
