"""Horizontal and vertical lines."""

import torch


def lines(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return noisy images [N, 1, 8, 8], and whether their line is vertical."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.3 * torch.randn(count, 1, 8, 8, generator=generator)
    labels = torch.randint(0, 2, (count,), generator=generator)
    for image, label, place in zip(images, labels, torch.randint(0, 8, (count,), generator=generator), strict=True):
        image[0, :, place] += label
        image[0, place, :] += 1 - label
    return images, labels
