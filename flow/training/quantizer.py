"""The trainable quantiser: fixed word length, trained binary point (QFX, arXiv 2401.17544)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from flow.errors import DataError, FormatError
from flow.formats import FixedPoint, Overflow, Rounding
from flow.training.grid import limits, overflow_codes, quantized, round_codes, round_randomly
from flow.training.kernels import Options, fused, packed
from flow.training.kernels.options import OVERFLOWS, ROUNDINGS
from flow.training.points import FAR
from flow.training.spec import Word
from flow.training.words import AnyWord

__all__ = ["Quantizer", "best_position", "calibrating", "check_finite", "freeze_points", "quantizers"]

_LN2 = math.log(2.0)
_SEARCH = range(-1, 9)  # candidates for the best position, from the highest one that saturates nothing


class _FakeQuantize(torch.autograd.Function):
    """`y = 2**-f * overflow(round(x * 2**f))` with straight-through gradients.

    In range, tested on the rounded value: dy/dx = 1 and dy/df = ln2 * (x - y). Outside: dy/dx = 0 and
    dy/df = -ln2 * y, y being the nearest value in range. These are the gradients of TQT (arXiv 1903.08066) and LSQ
    (arXiv 1902.08153) at a fixed word length. The modes that jump (WRAP, WRAP_SM, SAT_ZERO) go forward as they are
    and back as SAT does: the slope of a wrap itself would be ln2 times a multiple of the full range. Without a rounding
    mode a value is rounded up with the probability of its rest; the gradients are the same.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, frac: Tensor, form: FixedPoint, rounding: Rounding | None, mode: Overflow
    ) -> Tensor:
        step = math.ldexp(1.0, -form.frac)
        scaled = x * math.ldexp(1.0, form.frac)
        rounded = round_randomly(scaled) if rounding is None else round_codes(scaled, rounding)
        codes = overflow_codes(rounded, form, mode)
        y = codes * step
        if any(ctx.needs_input_grad):
            nearest = rounded.clamp(*limits(form, mode))
            inside = rounded == nearest
            ctx.save_for_backward(inside, torch.where(inside, x, 0.0).sub_(nearest, alpha=step))
        return y

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        inside, error = ctx.saved_tensors
        by_x = upstream * inside if ctx.needs_input_grad[0] else None
        by_frac = (upstream * error).sum() * _LN2 if ctx.needs_input_grad[1] else None
        return by_x, by_frac, None, None, None


def best_position(x: Tensor, word: Word, rounding: Rounding, mode: Overflow) -> int:
    """The number of fractional bits that loses least, as the mean squared error has it; the smallest of equals.

    Args:
        x: float tensor, any shape.
        word: width and sign.
        rounding: of the quantiser.
        mode: overflow of the quantiser.
    """
    values = x.detach().double()
    largest = float(values.abs().max()) if values.numel() else 0.0
    if largest == 0.0:
        return word.width - word.signed
    highest = word.width - word.signed - math.frexp(largest)[1]
    candidates = sorted({max(-FAR, min(FAR, highest + offset)) for offset in _SEARCH})
    errors = [
        float((quantized(values, FixedPoint(word.width, frac, word.signed), rounding, mode) - values).square().sum())
        for frac in candidates
    ]
    return candidates[errors.index(min(errors))]


def check_finite(x: Tensor, place: str) -> None:
    """Refuse values that have no code.

    Raises:
        DataError: `x`, which stands at `place`, holds NaN or infinity.
    """
    if not bool(torch.isfinite(x).all()):
        raise DataError(f"Fixed point holds finite numbers only, but {place!r} holds NaN or infinity.")


class Quantizer(nn.Module):
    """Casts a tensor to a word whose binary point is the parameter `frac`.

    Args:
        word: width and sign, fixed.
        rounding: rounding mode.
        overflow: overflow mode.
        place: the tensor it quantises, for messages.

    Attributes:
        frac: scalar parameter; the cast uses round(frac) and passes the gradient straight through.
        stochastic: in training mode, round up with the probability of the rest instead of by `rounding`.

    Raises:
        FormatError: WRAP_SM with an unsigned word.
    """

    _packed: tuple[Tensor | None, Tensor | None] | None = None

    def __init__(
        self,
        word: AnyWord,
        rounding: Rounding = Rounding.RND,
        overflow: Overflow = Overflow.SAT,
        place: str = "a tensor",
    ) -> None:
        super().__init__()
        if overflow is Overflow.WRAP_SM and not word.signed:
            raise FormatError(f"Overflow mode WRAP_SM exists for signed words only, not {word} of {place!r}; use WRAP.")
        self.word, self.rounding, self.overflow, self.place = word, rounding, overflow, place
        self.calibrate = self.stochastic = False
        self.frac = nn.Parameter(torch.zeros(()))

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__["_packed"] = None  # what the kernel is told follows from the attributes
        super().__setattr__(name, value)

    @property
    def drawing(self) -> bool:
        """Whether the next cast rounds by chance: in training, and not while the points are set."""
        return self.stochastic and self.training and not self.calibrate

    @property
    def format(self) -> FixedPoint:
        """The format at the present position of the binary point.

        Raises:
            DataError: the position is NaN or infinite, as after a training that diverged.
        """
        frac = self.frac.item()
        if not math.isfinite(frac):
            raise DataError(f"The binary point of {self.place!r} is {frac}; the training diverged, lower its rate.")
        return FixedPoint(self.word.width, max(-FAR, min(FAR, round(frac))), self.word.signed)

    def forward(self, x: Tensor) -> Tensor:
        """`x` on its grid, same shape; while calibrating, points and lengths start anew first."""
        if self.calibrate:
            with torch.no_grad():
                self.start(x)
        self.follow(x)
        return fused(x, self.frac, self.whole(), self.told()[0], self.eager)

    def rectified(self, x: Tensor) -> Tensor:
        """`self.forward(relu(x))`, in one pass where nothing here looks at the values themselves."""
        if not self.settled:
            return self.forward(functional.relu(x))
        return fused(x, self.frac, self.whole(), self.told()[1], lambda value: self.eager(functional.relu(value)))

    @property
    def settled(self) -> bool:
        """Whether the next cast leaves points and lengths where they are."""
        return not self.calibrate

    def whole(self) -> Tensor | None:
        """Integer bits as trained where they are learned, in the shape of `frac`; here they are not."""
        return None

    def options(self) -> Options | None:
        """What the kernel is to do; None where only eager torch can."""
        if self.drawing:
            return None
        modes = ROUNDINGS[self.rounding], OVERFLOWS[self.overflow]
        return Options(*modes, int(self.word.signed), self.word.width - self.word.signed, far=FAR)

    def told(self) -> tuple[Tensor | None, Tensor | None]:
        """The options as the kernel takes them, without and with a ReLU before; None where there is none."""
        if torch.compiler.is_compiling():
            return None, None
        if self._packed is None:
            options = self.options()
            both = () if options is None else (packed(options), packed(options._replace(rectified=1)))
            self.__dict__["_packed"] = both or (None, None)
        return self._packed or (None, None)

    def eager(self, x: Tensor) -> Tensor:
        """The cast by torch's own operators: the twin of the kernel."""
        result: Tensor = _FakeQuantize.apply(
            x, self.frac, self.format, None if self.drawing else self.rounding, self.overflow
        )
        return result

    def start(self, x: Tensor) -> None:
        """What calibration does first: points and lengths start anew."""
        self.move_to_best(x)

    def move_to_best(self, x: Tensor) -> None:
        """Set the binary point to where `x` loses least."""
        self.frac.fill_(best_position(x, self.word, self.rounding, self.overflow))

    def codes(self, x: Tensor) -> NDArray[np.int64]:
        """int64 codes of `x`, same shape: `forward(x) * 2**round(frac)` exactly.

        Raises:
            DataError: `x` holds NaN or infinity.
        """
        form = self.format
        check_finite(x, self.place)
        whole = round_codes(x.detach().double() * math.ldexp(1.0, form.frac), self.rounding)
        return overflow_codes(whole, form, self.overflow).to(torch.int64).cpu().numpy()

    def follow(self, x: Tensor) -> None:
        """Make what follows from the values themselves, such as the length of a constant's word, that of `x`."""

    def points(self) -> list[nn.Parameter]:
        """The parameters that a training moves at the rate of binary points."""
        return [self.frac]

    def bits(self) -> Tensor:
        """Word lengths, in a shape that broadcasts to that of the values; here the one that was given."""
        return torch.tensor(float(self.word.width))

    def freeze(self) -> None:
        """Round what `points` returns in place, and train it no further."""
        with torch.no_grad():
            self.frac.fill_(self.format.frac)
        self.frac.requires_grad_(False)

    def extra_repr(self) -> str:
        """What print(model) shows of it."""
        return f"{self.format}, {self.rounding.value}, {self.overflow.value}"


def quantizers(model: nn.Module) -> dict[str, Quantizer]:
    """Every quantiser of a model by its module path, each once."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Quantizer)}


@contextmanager
def calibrating(model: nn.Module) -> Iterator[None]:
    """Within it, a forward pass sets every binary point to its best position, in the order of computation."""
    held = list(quantizers(model).values())
    try:
        for quantizer in held:
            quantizer.calibrate = True
        yield
    finally:
        for quantizer in held:
            quantizer.calibrate = False


def freeze_points(model: nn.Module) -> None:
    """Round every binary point in place and train it no further, so that none swings between two positions."""
    for quantizer in quantizers(model).values():
        quantizer.freeze()
