"""M2FP in PyTorch as what a Parser runs: a picture in, logits out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from discreet.m2fp.model import M2FP


class TorchBackend:
    """Calls a network on one picture."""

    def __init__(self, model: M2FP) -> None:
        self._model = model.eval()

    def __call__(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """uint8 RGB [H, W, 3] -> class_logits [Q, C+1], mask_logits [Q, h, w], float32."""
        parameter = next(self._model.parameters())
        with torch.inference_mode():
            classes, masks = self._model.infer(self._model.batch([self._model.normalise(image)]).to(parameter))
        return classes[0].float().cpu().numpy(), masks[0].float().cpu().numpy()
