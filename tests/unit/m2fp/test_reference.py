"""The same numbers as independent implementations, with weights that hide nothing."""

import pytest
import torch

from m2fp.reference import (
    backbone_images,
    golden,
    levels,
    lite_backbone,
    pixel_decoder,
    query_decoder,
    read,
)


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


def test_efficientnet_lite0():
    found = [read(features) for features in lite_backbone()(backbone_images())]
    assert found == [pytest.approx(expected, rel=1e-9) for expected in golden("lite_backbone")]


def test_pixel_decoder():
    features = pixel_decoder()(levels())
    found = [read(tensor) for tensor in (features.mask_features, *features.levels)]
    assert found == [pytest.approx(expected, rel=1e-9) for expected in golden("pixel_decoder")]


def test_query_decoder():
    outputs = query_decoder()(pixel_decoder()(levels()))
    found = [read(masks) for _, masks in outputs]
    assert found == [pytest.approx(expected, rel=1e-9) for expected in golden("query_decoder")]
