"""The smallest service that parses pictures. Start it: flask --app examples/flask_page run"""

import io

import flask

import discreet
from discreet.inference import encode_png

parser = discreet.load("m2fp-lite")


class InMemory(flask.Request):  # Flask would write uploads above half a megabyte to disk
    _get_file_stream = staticmethod(lambda *_, **__: io.BytesIO())


app = flask.Flask(__name__)
app.request_class, app.config["MAX_CONTENT_LENGTH"] = InMemory, 10_000_000


@app.post("/predict")
def predict() -> flask.Response:
    """A picture in the field `file`; its overlay comes back."""
    result = parser.parse(flask.request.files["file"].read())
    return flask.Response(encode_png(result.overlay()), mimetype="image/png")
