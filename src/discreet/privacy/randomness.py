"""Random numbers that nobody without the key can predict: AES-256 in counter mode.

A stream belongs to one (run key, purpose, step, name) and always holds the same numbers,
so that a step done again after a crash is the same release. It can be read from any
position, so that threads fill an array in parallel without changing it.
"""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

GENERATOR = "AES-256-CTR, streams keyed by HMAC-SHA256(run key; purpose, step, name)"
KEY_BYTES = 32
_DRAW_BYTES = 8
_DRAWS_PER_BLOCK = 2  # an AES block is 16 bytes


def derive(key: bytes, purpose: str, step: int, name: str) -> bytes:
    """The 32-byte key of one stream; *SENSITIVE*.

    Every field is preceded by its length: no two (purpose, step, name) spell the same bytes.
    """
    fields = (purpose.encode(), str(step).encode(), name.encode())
    message = b"".join(len(field).to_bytes(8, "big") + field for field in fields)
    return hmac.new(key, message, hashlib.sha256).digest()


class Stream:
    """The random numbers of one derived key, readable from any position.

    Args:
        key: 32 bytes, *SENSITIVE*, used for this stream alone (the counter starts at zero).
    """

    __slots__ = ("_algorithm",)

    def __init__(self, key: bytes) -> None:
        self._algorithm = algorithms.AES256(key)

    def uint64(self, count: int, start: int = 0) -> NDArray[np.uint64]:
        """Draws number `start` to `start + count`, uniform 64-bit integers; `start` is even."""
        block, offset = divmod(start, _DRAWS_PER_BLOCK)
        if offset:
            raise ValueError(f"start is {start}; a stream is read from even positions")
        draws = bytearray(count * _DRAW_BYTES)
        encryptor = Cipher(self._algorithm, modes.CTR(block.to_bytes(16, "big"))).encryptor()
        encryptor.update_into(bytes(len(draws)), draws)
        return np.frombuffer(draws, "<u8")

    def uniform(self, count: int, start: int = 0) -> NDArray[np.float64]:
        """Uniform float64 in the open interval (0, 1): the midpoints of 2⁵² equal cells.

        A midpoint has 53 significant bits, so it is exact; with 2⁵³ cells the last midpoint
        would round to 1.
        """
        cells = self.uint64(count, start)
        cells >>= np.uint64(12)
        uniforms = cells.astype(np.float64)
        uniforms += 0.5
        uniforms *= 2.0**-52
        return uniforms
