"""Streams: the cipher that they claim, readable anywhere, apart from each other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from discreet.privacy.randomness import Stream, derive

KEY = bytes(range(32))


def test_a_stream_is_aes_256_of_a_counter() -> None:
    encryptor = Cipher(algorithms.AES256(KEY), modes.ECB()).encryptor()
    blocks = b"".join(encryptor.update(counter.to_bytes(16, "big")) for counter in range(50))
    assert Stream(KEY).uint64(100).tobytes() == blocks


@pytest.mark.parametrize(("start", "count"), [(0, 1), (2, 5), (4096, 3), (8, 0)])
def test_reading_from_anywhere_gives_the_same_draws(start: int, count: int) -> None:
    whole = Stream(KEY).uint64(start + count)
    assert np.array_equal(Stream(KEY).uint64(count, start), whole[start:])


def test_an_odd_start_is_refused() -> None:
    with pytest.raises(ValueError, match="even"):
        Stream(KEY).uint64(1, 3)


def test_uniform_draws_never_reach_zero_or_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = np.array([0, 2**64 - 1, 2**63], np.uint64)
    monkeypatch.setattr(Stream, "uint64", lambda self, count, start=0: ends.copy())
    low, high, middle = Stream(KEY).uniform(3)
    assert low == 2.0**-53
    assert high == 1 - 2.0**-53
    assert middle == 0.5 + 2.0**-53


def test_no_two_purposes_steps_or_names_share_a_key() -> None:
    names = ["", "a", "ab", "b", "1", "12", "noise", "a\x00"]
    derived = {
        derive(KEY, purpose, step, name) for purpose, step, name in itertools.product(names, (0, 1, 2, 12, 21), names)
    }
    assert len(derived) == len(names) * 5 * len(names)
    assert derive(bytes(32), "a", 0, "b") != derive(KEY, "a", 0, "b")
