"""Networks that make pictures: transposed convolutions."""

from __future__ import annotations

from torch import nn

__all__ = ["digits_autoencoder"]


def digits_autoencoder(width: int = 4) -> nn.Module:
    """A convolutional autoencoder: a digit through 8 numbers and back; float[B, 1, 8, 8] in and out, both in 0..1.

    Two convolutions of stride 2 halve the picture, two transposed ones double it. Train it in a loop of your own, for
    example on the squared difference from its input.

    Args:
        width: channels of the outer convolutions; the inner ones have twice as many.
    """
    return nn.Sequential(
        nn.Conv2d(1, width, 3, 2, padding=1), nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, 2, padding=1), nn.ReLU(), nn.Flatten(),
        nn.Linear(8 * width, 8), nn.Linear(8, 8 * width), nn.ReLU(), nn.Unflatten(1, (2 * width, 2, 2)),
        nn.ConvTranspose2d(2 * width, width, 4, 2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        nn.ConvTranspose2d(width, 1, 3, 2, padding=1, output_padding=1), nn.Sigmoid(),
    )  # fmt: skip
