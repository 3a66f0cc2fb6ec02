import numpy as np
import pytest

from discreet.errors import DataError
from discreet.m2fp import make_targets

PARTS = np.array([[0, 0, 1, 1], [0, 2, 1, 255], [3, 2, 0, 0]], np.uint8)
PERSONS = np.array([[0, 0, 1, 1], [0, 2, 1, 1], [0, 2, 0, 0]], np.uint8)


def as_sets(targets):
    """(label, pixels as row·4 + column), in any order."""
    return {
        (int(label), *np.flatnonzero(mask.numpy())) for label, mask in zip(targets.labels, targets.masks, strict=True)
    }


def test_parts_of_each_person_and_whole_persons():
    """Part 3 belongs to nobody: it is a part without a person. The ignored pixel is in no mask."""
    targets = make_targets(PARTS, PERSONS, num_parts=4, human=True)
    assert as_sets(targets) == {
        (0, 0, 1, 4, 10, 11),
        (1, 2, 3, 6), (2, 5, 9), (3, 8),
        (4, 2, 3, 6), (4, 5, 9),
    }  # fmt: skip
    assert not targets.valid[1, 3]
    assert int(targets.valid.sum()) == 11


def test_same_part_of_two_persons_is_two_masks():
    persons = np.array([[1, 2]], np.uint8)
    targets = make_targets(np.array([[1, 1]], np.uint8), persons, num_parts=2, human=True)
    assert as_sets(targets) == {(1, 0), (1, 1), (2, 0), (2, 1)}


def test_single_person_form_has_one_mask_a_part():
    targets = make_targets(PARTS, PERSONS, num_parts=4, human=False)
    assert as_sets(targets) == {(0, 0, 1, 4, 10, 11), (1, 2, 3, 6), (2, 5, 9), (3, 8)}


def test_without_person_map_all_parts_are_of_one_person():
    targets = make_targets(PARTS, None, num_parts=4, human=True)
    assert (4, 2, 3, 5, 6, 8, 9) in as_sets(targets)
    assert len(targets.labels) == 5


def test_nothing_labelled_is_no_target():
    targets = make_targets(np.full((3, 4), 255, np.uint8), None, num_parts=4, human=True)
    assert targets.masks.shape == (0, 3, 4)
    assert targets.labels.shape == (0,)
    assert not targets.valid.any()


def test_bad_maps_are_refused():
    with pytest.raises(DataError, match="part id 4 is out of range; 0 to 3"):
        make_targets(np.array([[4]], np.uint8), None, num_parts=4, human=True)
    with pytest.raises(DataError, match="does not fit"):
        make_targets(PARTS, PERSONS[:2], num_parts=4, human=True)
