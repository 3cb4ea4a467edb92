"""Letters and digits drawn from the fonts that matplotlib ships: 62 classes of 28 x 28 grey pixels, made in memory.

The faces are named, not searched for: `cmex10` and `LastResortHE` map all 62 characters too, to other pictures.
"""

from __future__ import annotations

import importlib.util
import math
import string
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from flow.datasets.dataset import Dataset
from flow.errors import DataError

__all__ = ["CHARACTERS", "TEST_FACES", "TRAIN_FACES", "glyphs"]

CHARACTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
TRAIN_FACES = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-BoldOblique",
    "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-BoldOblique", "DejaVuSansMono-Oblique",
    "DejaVuSerif-Bold", "DejaVuSerif-BoldItalic", "DejaVuSerif-Italic", "DejaVuSerif",
    "STIXGeneral", "STIXGeneralBolIta", "STIXGeneralItalic",
    "cmb10", "cmss10", "cmti10", "cmtt10",
)  # fmt: skip
TEST_FACES = ("DejaVuSans-Oblique", "STIXGeneralBol", "cmr10")

_SIZE, _FINE = 28, 2  # pixels of a sample, and how many times finer a glyph is drawn before it is bent
_TRAIN, _TEST = 130, 30  # samples a class
_HEIGHT = 22  # of the font's em square, in pixels of a sample
_BASELINE = 20.5  # in pixels of a sample from its top, so that capitals stand in the middle


def _folder() -> Path:
    """Where matplotlib keeps its fonts; the package is found, not imported."""
    found = importlib.util.find_spec("matplotlib")
    if found is None or found.origin is None:
        raise DataError("The glyphs need the fonts of matplotlib, which is not installed; pip install matplotlib.")
    return Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"


def _drawn(face: str) -> list[Image.Image]:
    """Every character of a face, white on black, `_FINE` times too large."""
    path, side = _folder() / f"{face}.ttf", _SIZE * _FINE
    try:
        # By its bytes: given a path that does not exist, Pillow looks for a font of that name elsewhere.
        font = ImageFont.truetype(BytesIO(path.read_bytes()), _HEIGHT * _FINE)
    except OSError:
        raise DataError(
            f"The glyphs need matplotlib's font {path.name!r}, which is missing; reinstall matplotlib."
        ) from None
    pictures = []
    for character in CHARACTERS:
        picture = Image.new("L", (side, side))
        ImageDraw.Draw(picture).text((side / 2, _BASELINE * _FINE), character, fill=255, font=font, anchor="ms")
        pictures.append(picture)
    return pictures


def _bent(picture: Image.Image, draws: np.random.Generator) -> Image.Image:
    """Turned, scaled, sheared and moved around its middle, then averaged down to 28 x 28."""
    angle, shear = math.radians(draws.uniform(-14, 14)), draws.uniform(-0.25, 0.25)
    wide, high = draws.uniform(0.8, 1.15, size=2)
    shift = draws.uniform(-2.5, 2.5, size=2) * _FINE
    cosine, sine = math.cos(angle), math.sin(angle)
    # From a place in the result to the place in the drawing.
    matrix = np.array([[cosine / wide, sine / wide + shear], [-sine / high, cosine / high]])
    middle = np.full(2, _SIZE * _FINE / 2)
    offset = middle - matrix @ (middle + shift)
    values = (*matrix[0], offset[0], *matrix[1], offset[1])
    return picture.transform(picture.size, Image.Transform.AFFINE, values, Image.Resampling.BILINEAR).reduce(_FINE)


def _worn(pixels: NDArray[np.float64], draws: np.random.Generator) -> NDArray[np.float64]:
    """Strokes thicker or thinner, ink paler, ground uneven, noise on every pixel: 0..1 in and out."""
    ink, ground = draws.uniform(0.55, 1.0), draws.uniform(0.0, 0.2)
    stroke = pixels ** draws.uniform(0.6, 1.8)
    noise = draws.normal(0.0, draws.uniform(0.02, 0.12), size=pixels.shape)
    return np.clip(ground + (ink - ground) * stroke + noise, 0.0, 1.0)


def _part(
    faces: tuple[str, ...], share: int, draws: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """`share` samples of each class, their faces in turn, in random order: float32[N, 1, 28, 28] and int64[N]."""
    drawn = [_drawn(face) for face in faces]
    labels = np.tile(np.arange(len(CHARACTERS)), share)
    images = np.empty((len(labels), 1, _SIZE, _SIZE), np.float32)
    for place, label in enumerate(labels):
        picture = drawn[place // len(CHARACTERS) % len(faces)][label]
        worn = _worn(np.asarray(_bent(picture, draws), np.float64) / 255, draws)
        images[place, 0] = np.round(worn * 255) / 255
    order = draws.permutation(len(labels))
    return images[order], labels[order]


@cache
def glyphs(seed: int) -> Dataset:
    """float32[N, 1, 28, 28] in 0..1, white on black, 8,060 to train and 1,860 to test; `seed` draws the distortions.

    The test samples come from three faces that no training sample comes from, so that nothing leaks; other faces of two
    of their families are among the 18 for training. Some characters differ by little but their size, such as c and C
    or 0 and O, so no network is right always. Pixels are multiples of 1/255; their last bits depend on the version of
    Pillow.

    Raises:
        DataError: matplotlib or one of its fonts is missing.
    """
    train = _part(TRAIN_FACES, _TRAIN, np.random.default_rng([seed, 0]))
    test = _part(TEST_FACES, _TEST, np.random.default_rng([seed, 1]))
    return Dataset(*train, *test, (1, _SIZE, _SIZE), len(CHARACTERS))
