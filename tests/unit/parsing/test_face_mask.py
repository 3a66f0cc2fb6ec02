"""The ellipse over a face: where it is, how large, and what it leaves."""

import numpy as np

from discreet.parsing.face_mask import mask_faces


def test_the_ellipse_covers_the_box_scaled() -> None:
    image = np.full((100, 120, 3), 200, np.uint8)
    masked = mask_faces(image, [(40.0, 30.0, 60.0, 60.0)], scale=1.3, colour=(1, 2, 3))
    hidden = (masked == (1, 2, 3)).all(2)
    assert abs(hidden.sum() - np.pi * 13 * 19.5) < 25
    rows, columns = np.nonzero(hidden)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (37, 62, 26, 63)
    assert (masked[~hidden] == 200).all()
    assert (image == 200).all()


def test_faces_over_the_edge_outside_or_empty() -> None:
    image = np.full((20, 20, 3), 200, np.uint8)
    assert (mask_faces(image, [(-5.0, -5.0, 5.0, 5.0)])[0, 0] == 0).all()
    for box in [(50.0, 50.0, 60.0, 60.0), (-90.0, 5.0, -80.0, 9.0), (5.0, 5.0, 5.0, 9.0)]:
        assert (mask_faces(image, [box]) == 200).all()
