"""The lite network, its criterion and its targets fit together: two pictures are learned in seconds."""

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812

from discreet.m2fp import M2FP, CriterionSettings, criterion, make_targets, set_trainable
from m2fp.support import NUM_PARTS, generators, scene, small

SIDE = 64
COLOURS = np.array([[0, 0, 0], [250, 30, 30], [30, 250, 30], [30, 30, 250], [250, 250, 30]], np.uint8)


def test_lite_learns_two_pictures():
    torch.manual_seed(0)
    model = M2FP(small("m2fp-lite"))
    set_trainable(model, "decoder")
    scenes = [scene(count, SIDE, SIDE) for count in (1, 2)]
    images = torch.stack([model.normalise(COLOURS[np.where(parts == 255, 0, parts)]) for parts, _ in scenes])
    targets = [make_targets(parts, persons, num_parts=NUM_PARTS, human=True) for parts, persons in scenes]
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer, rngs = torch.optim.AdamW(trainable, lr=2e-3, weight_decay=0), generators(0, 1)
    for _ in range(32):
        loss = criterion(model(images), targets, rngs, CriterionSettings(num_points=64)).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
    with torch.no_grad():
        output = model(images)
        probability = output.class_logits.softmax(-1)[..., :NUM_PARTS]
        masks = F.interpolate(output.mask_logits, size=(SIDE, SIDE), mode="bilinear").sigmoid()
        found = torch.einsum("bqc,bqhw->bchw", probability, masks).argmax(1).numpy()
    for guess, (parts, _) in zip(found, scenes, strict=True):
        labelled = parts != 255
        assert (guess == parts)[labelled].mean() > 0.85
