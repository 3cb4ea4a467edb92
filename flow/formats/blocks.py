"""Block formats: narrow elements that share a scale, as in OCP MX and NVFP4.

A value is `element * scale of its block`, and times one float32 for the whole tensor where the format has that. Rules:
microsoft/microxcaling for MX; NVFP4 as vLLM and auto_round compute it, in float64 up to the one rounding of each code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import DataError, FormatError
from flow.formats.cast import encode
from flow.formats.fixed_point import FixedPoint
from flow.formats.minifloat import Minifloat, Specials
from flow.formats.minifloat_cast import FloatRounding, encode_minifloat
from flow.formats.overflow import Overflow
from flow.formats.rounding import Rounding
from flow.formats.scales import PowerOfTwo

__all__ = ["BlockFormat", "BlockTensor", "block_scales", "blocked", "decode_blocks", "encode_blocks", "encode_elements"]

E8M0, UE4M3 = PowerOfTwo(), Minifloat.parse("ue4m3fn")
_TEXT = re.compile(r"(?P<kind>mx|nv|bk)(?P<element>.+?)b(?P<block>\d+)(x(?P<scale>ue\w+|e8m0)(?P<tensor>\+t)?)?")
# What each prefix stands for: (scale, whether the tensor has a scale of its own); `bk` spells both out.
_KINDS: dict[str, tuple[PowerOfTwo | Minifloat, bool]] = {"mx": (E8M0, False), "nv": (UE4M3, True)}


@dataclass(frozen=True, slots=True)
class BlockFormat:
    """`block` elements along the last axis share one scale.

    >>> BlockFormat.parse("mxe2m1b32").bits_per_element, BlockFormat.parse("nve2m1b16").bits_per_element
    (4.25, 4.5)
    >>> str(BlockFormat(Minifloat.parse("e2m1"), 32, Minifloat.parse("ue5m3fn")))
    'bke2m1b32xue5m3fn'

    Raises:
        FormatError: the block is empty, or the scale has a sign, infinities or no mantissa, or the text does not parse.
    """

    element: Minifloat | FixedPoint
    block: int = 32
    scale: PowerOfTwo | Minifloat = E8M0
    tensor_scale: bool = False

    def __post_init__(self) -> None:
        if self.block < 1:
            raise FormatError(f"A block must have at least 1 element, not {self.block}.")
        if isinstance(self.scale, Minifloat) and (self.scale.signed or self.scale.specials is Specials.IEEE):
            raise FormatError(f"A block scale is an unsigned minifloat without infinities, not {self.scale}.")
        if not self.element.signed:
            raise FormatError(f"The elements of a block have a sign, which {self.element} lacks.")

    @classmethod
    def parse(cls, text: str) -> BlockFormat:
        """Read the text form: `mx<element>b<block>`, `nv...`, or `bk<element>b<block>x<scale>[+t]`."""
        match = _TEXT.fullmatch(text)
        if match is None or (match["kind"] == "bk") != (match["scale"] is not None):
            raise FormatError(
                f"A block format is written like mxe2m1b32, mxs8.6b32, nve2m1b16 or bke2m1b16xue5m3fn, not {text!r}."
            )
        element = match["element"]
        form = FixedPoint.parse(element) if element[0] in "su" else Minifloat.parse(element)
        if match["kind"] in _KINDS:
            return cls(form, int(match["block"]), *_KINDS[match["kind"]])
        scale = E8M0 if match["scale"] == "e8m0" else Minifloat.parse(match["scale"])
        return cls(form, int(match["block"]), scale, match["tensor"] is not None)

    def __str__(self) -> str:
        for kind, rest in _KINDS.items():
            if rest == (self.scale, self.tensor_scale):
                return f"{kind}{self.element}b{self.block}"
        return f"bk{self.element}b{self.block}x{self.scale}{'+t' if self.tensor_scale else ''}"

    @property
    def bits_per_element(self) -> float:
        """Bits of storage, with the shared scale in whole bytes and without the scale of the tensor."""
        return element_bits(self.element) + 8 * -(-self.scale.bits // 8) / self.block

    @property
    def highest_integer(self) -> int:
        """The largest element in steps; the lowest is its negative."""
        return self.element.high if isinstance(self.element, FixedPoint) else self.element.highest_integer

    @property
    def highest(self) -> float:
        """The largest element."""
        return float(self.highest_integer * self.element.step)

    @property
    def highest_exponent(self) -> int:
        """The power of two below the largest element: `emax` of OCP MX."""
        return self.highest_integer.bit_length() - 1 - self.element.frac


def element_bits(element: Minifloat | FixedPoint) -> int:
    """Bits of one element."""
    return element.width if isinstance(element, FixedPoint) else element.bits


@dataclass(frozen=True, slots=True, eq=False)
class BlockTensor:
    """Codes of a block format.

    `elements`: int64[..., n]; `scales`: int64[..., ceil(n / block)]; `tensor`: the float32 that multiplies them all.
    """

    form: BlockFormat
    elements: NDArray[Any]
    scales: NDArray[Any]
    tensor: float = 1.0


def blocked(values: NDArray[Any], block: int) -> NDArray[Any]:
    """[..., n] as [..., ceil(n / block), block], the last block filled with zeros."""
    *rest, length = values.shape
    # Not np.pad: it fills arrays of Python integers with numpy ones, which overflow.
    padded = np.zeros((*rest, length + -length % block), dtype=values.dtype)
    padded[..., :length] = values
    return padded.reshape(*rest, -1, block)


def _unblocked(blocks: NDArray[Any], length: int) -> NDArray[Any]:
    return blocks.reshape(*blocks.shape[:-2], -1)[..., :length]


def _tensor_scale(values: NDArray[np.float64], form: BlockFormat) -> float:
    """The float32 that brings the largest scale of the tensor to the largest scale there is."""
    largest = float(np.abs(values).max(initial=0.0))
    if not form.tensor_scale or largest == 0.0:
        return 1.0
    top = form.highest * float(form.scale.high) if isinstance(form.scale, Minifloat) else form.highest
    scale = float(np.float32(largest / top))
    if scale == 0.0 or not np.isfinite(scale):
        raise DataError(f"The tensor scale of {form} must be a float32 above 0, but the largest value is {largest}.")
    return scale


def block_scales(values: NDArray[np.floating[Any]], form: BlockFormat, tensor: float = 1.0) -> NDArray[np.int64]:
    """The code of each block's scale, int64[..., ceil(n / block)].

    A power of two is `floor(log2(max|x|)) - emax`; a minifloat is the nearest to `max|x| / largest element`. A block
    with a NaN or an infinity gets the NaN scale.
    """
    largest = np.abs(blocked(np.asarray(values, dtype=np.float64) / tensor, form.block)).max(axis=-1)
    finite = np.where(np.isfinite(largest), largest, 0.0)
    if isinstance(form.scale, Minifloat):
        codes = encode_minifloat(finite / form.highest, form.scale)
    else:
        exponents = np.frexp(finite)[1] - 1 - form.highest_exponent
        codes = form.scale.floor(np.where(finite > 0, exponents, -127))
    if np.isfinite(largest).all():
        return codes
    if form.scale.nan_code is None:
        raise DataError(f"Scale {form.scale} of {form} has no NaN, but a block holds one or an infinity; replace it.")
    return np.where(np.isfinite(largest), codes, form.scale.nan_code)


# The mode of ap_fixed that is the same function; rounding up is rounding down of the negative.
_FIXED_ROUNDING = {
    FloatRounding.NEAREST_EVEN: Rounding.RND_CONV,
    FloatRounding.NEAREST_AWAY: Rounding.RND_INF,
    FloatRounding.TOWARD_ZERO: Rounding.TRN_ZERO,
    FloatRounding.DOWN: Rounding.TRN,
}


def _encode_element(values: NDArray[np.float64], form: BlockFormat, rounding: FloatRounding) -> NDArray[np.int64]:
    if isinstance(form.element, Minifloat):
        return encode_minifloat(values, form.element, rounding)
    if rounding is FloatRounding.UP:
        return -_encode_element(-values, form, FloatRounding.DOWN)
    return encode(values, form.element, _FIXED_ROUNDING[rounding], Overflow.SAT_SYM)


def encode_elements(
    values: NDArray[np.floating[Any]],
    form: BlockFormat,
    scales: NDArray[np.int64],
    tensor: float = 1.0,
    rounding: FloatRounding = FloatRounding.NEAREST_EVEN,
) -> BlockTensor:
    """Real numbers [..., n] with the scales given: each is divided by its scale, rounded, and saturates.

    A block whose scale is zero or NaN has elements of code 0.
    """
    real = np.asarray(values, dtype=np.float64)
    factors = form.scale.decode(scales)[..., None]
    usable = np.isfinite(factors) & (factors > 0)
    quotients = np.where(usable, blocked(real, form.block), 0.0) / np.where(usable, factors * tensor, 1.0)
    elements = _unblocked(_encode_element(quotients, form, rounding), real.shape[-1])
    return BlockTensor(form, elements, scales, tensor)


def encode_blocks(
    values: NDArray[np.floating[Any]], form: BlockFormat, rounding: FloatRounding = FloatRounding.NEAREST_EVEN
) -> BlockTensor:
    """Real numbers [..., n] as blocks along the last axis, the last of which may be short.

    >>> coded = encode_blocks(np.array([1.0, -2.4, 0.0, 7.0]), BlockFormat.parse("mxe2m1b4"))
    >>> coded.elements, coded.scales, decode_blocks(coded)
    (array([ 2, 12,  0,  7]), array([127]), array([ 1., -2.,  0.,  6.]))

    Raises:
        DataError: a value is NaN or infinite and the scale has no NaN, or the tensor's scale is no float32.
    """
    real = np.asarray(values, dtype=np.float64)
    tensor = _tensor_scale(real, form)
    return encode_elements(real, form, block_scales(real, form, tensor), tensor, rounding)


def decode_blocks(coded: BlockTensor) -> NDArray[np.float64]:
    """The values, float64[..., n], exactly; a block whose scale is NaN is NaN."""
    form = coded.form
    if isinstance(form.element, Minifloat):
        elements = form.element.decode(coded.elements)
    else:
        elements = np.ldexp(coded.elements.astype(np.float64), -form.element.frac)
    values = blocked(elements, form.block) * form.scale.decode(coded.scales)[..., None] * coded.tensor
    return _unblocked(values, coded.elements.shape[-1])
