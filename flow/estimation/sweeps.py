"""Which parameters of which cell are measured: small sweeps, dense where our designs live (2 to 8 bits)."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping

from flow.estimation.designs import IMAGE, TRUTH_TABLES
from flow.estimation.sweeps_dsp import DSP_SWEEPS
from flow.estimation.sweeps_images import IMAGE_SWEEPS
from flow.estimation.sweeps_moves import MOVE_SWEEPS
from flow.estimation.sweeps_numbers import NUMBER_SWEEPS
from flow.estimation.sweeps_sums import BY_FAMILY, SUM_SWEEPS
from flow.synthesis import Family

__all__ = ["DEEP_ROMS", "EITHER", "ROMS", "SPATIAL_DESIGNS", "SWEEPS", "TABLES", "cell_of", "measured_on"]

Parameters = dict[str, int]
Sweep = Callable[[Family], Iterator[Parameters]]

_XILINX = (Family.XC7, Family.XCUP)
_WIDTHS = (1, 2, 3, 4, 5, 6, 8)
_MIXED = ((4, 6), (6, 4), (8, 4), (4, 8), (3, 6), (6, 3))


def _dot(simd: int, x: int, w: int, signed: int = 0, extra: int = 0) -> Parameters:
    out = x + w + (simd - 1).bit_length() + extra
    return {"Simd": simd, "XWidth": x, "XSigned": signed, "WWidth": w, "WSigned": 1, "OutWidth": out, "UseDsp": 0}


def _dots(family: Family) -> Iterator[Parameters]:
    """Single products over all widths, sums over the diagonal and some unequal widths, signed and unsigned codes.

    With LUTs of four inputs, only sums of products of equal widths.
    """
    for x, w in itertools.product(_WIDTHS, _WIDTHS[1:]):
        yield _dot(1, x, w)
    for simd in (2, 3, 4, 8):
        for width in _WIDTHS[1:]:
            yield _dot(simd, width, width)
    for simd, width in itertools.product((5, 6, 12, 16), (2, 4, 6)):
        yield _dot(simd, width, width)
    if family not in _XILINX:
        yield from (_dot(simd, width, width, signed=1) for simd in (1, 4) for width in (4, 6))
        return
    for simd, (x, w) in itertools.product((2, 4), (*_MIXED, (2, 4), (4, 2), (1, 4))):
        yield _dot(simd, x, w)
    for simd, width in itertools.product((1, 2, 4), (3, 5, 6, 8)):
        yield _dot(simd, width, width, signed=1)
    for simd, extra in ((1, 4), (2, 4), (4, 4)):
        yield _dot(simd, 6, 6, extra=extra)


def _requantize(family: Family) -> Iterator[Parameters]:
    """Every pair of modes once on random widths, and the two usual pairs several times."""
    rng = random.Random(0)  # noqa: S311  a sweep, not a secret
    pairs = [*itertools.product(range(7), range(5)), *[(2, 1)] * 12, *[(0, 1)] * 4]
    for rounding, overflow in pairs:
        width, out = rng.randint(6, 20), rng.randint(2, 8)
        signed = 1 if overflow == 4 else rng.randint(0, 1)
        yield {
            "InWidth": width, "InSigned": rng.randint(0, 1), "Shift": rng.randint(-1, width - 2), "OutWidth": out,
            "OutSigned": signed, "Rounding": rounding, "Overflow": overflow,
        }  # fmt: skip


def _quantize_stream(family: Family) -> Iterator[Parameters]:
    """Casts in front of their register, which takes over some of a limit: the usual modes and a few of the others."""
    rng = random.Random(1)  # noqa: S311  a sweep, not a secret
    modes = [(2, 1)] * 16 + [(0, 1)] * 12 + [(2, 0)] * 6 + [(0, 0)] * 3 + [(6, 1)] * 4 + [(2, 2)] * 3 + [(1, 3), (3, 4)]
    for number, (rounding, overflow) in enumerate(modes):
        width, out = rng.randint(5, 20), rng.randint(2, 8)
        yield {
            "Lanes": (1, 1, 2, 1, 3)[number % 5], "InWidth": width, "InSigned": rng.randint(0, 1),
            "Shift": rng.randint(-1, width - 2), "OutWidth": out, "OutSigned": int(rng.random() < 0.3 or overflow == 4),
            "Rounding": rounding, "Overflow": overflow,
        }  # fmt: skip


def _argmax(family: Family) -> Iterator[Parameters]:
    for count, lanes, width in itertools.product((10,), (1, 2, 5), (8, 12, 16)):
        yield {"Count": count, "Lanes": lanes, "Width": width, "Signed": 1, "IndexWidth": (count - 1).bit_length()}


def _fifo(family: Family) -> Iterator[Parameters]:
    """Depths whose addresses wrap by themselves, and those that a vector, or the branches of a join, ask for."""
    for width, depth in itertools.product((2, 6, 12, 24, 48), (2, 4, 8, 16, 32, 64)):
        yield {"Width": width, "Depth": depth}
    for width, depth in itertools.product((2, 5, 12), (3, 6, 12, 20, 36, 100, 147)):
        yield {"Width": width, "Depth": depth}


def _axis(family: Family) -> Iterator[Parameters]:
    for width, beats in itertools.product((2, 6, 24), (1, 2, 10, 32, 64)):
        yield {"Width": width, "Beats": beats}


def _layer(inputs: int, outputs: int, pe: int, simd: int, width: int) -> Parameters:
    acc = 2 * width + (inputs - 1).bit_length() + 1
    return {"Inputs": inputs, "Outputs": outputs, "Pe": pe, "Simd": simd, "XWidth": width, "XSigned": 0,
            "WWidth": width, "WSigned": 1, "AccWidth": acc, "ProductShift": 0, "UseDsp": 0}  # fmt: skip


def _dense(family: Family) -> Iterator[Parameters]:
    """Every product here is in the sweep of flow_dot, so that what is left is accumulator, buffer and control."""
    shapes = ((64, 8, 1, 1, 6), (64, 8, 1, 4, 6), (64, 8, 2, 4, 6), (32, 1, 1, 4, 6), (4, 8, 2, 4, 4), (4, 4, 4, 4, 4),
              (32, 8, 1, 2, 4), (40, 10, 2, 4, 4), (16, 8, 4, 2, 4), (128, 4, 1, 2, 4), (16, 4, 1, 1, 2),
              (15, 5, 1, 1, 4), (45, 3, 1, 1, 4), (147, 5, 1, 1, 4), (27, 3, 1, 1, 3), (9, 4, 1, 1, 5), (6, 3, 1, 1, 8),
              (18, 7, 1, 2, 6), (12, 10, 2, 2, 5), (21, 6, 2, 3, 4), (196, 2, 1, 1, 2), (36, 5, 1, 4, 5),
              (20, 12, 1, 1, 6), (30, 1, 1, 1, 4),
              (3, 5, 1, 1, 4), (4, 6, 1, 1, 3), (6, 7, 1, 1, 2), (4, 9, 3, 2, 4),
              (32, 8, 1, 16, 4), (32, 30, 1, 16, 6), (24, 10, 1, 12, 4), (12, 5, 1, 12, 6), (48, 6, 1, 8, 5),
              (16, 16, 16, 1, 6), (32, 32, 8, 1, 4), (20, 12, 12, 1, 5), (29, 10, 5, 1, 8), (8, 8, 4, 8, 3),
              )  # fmt: skip
    for inputs, outputs, pe, simd, width in shapes:
        yield _layer(inputs, outputs, pe, simd, width)


def _fork(family: Family) -> Iterator[Parameters]:
    for ways in (2, 3, 4, 6):
        yield {"Ways": ways}


def _skid(family: Family) -> Iterator[Parameters]:
    for width in (1, 2, 6, 12, 24):
        yield {"Width": width}


SWEEPS: Mapping[str, Sweep] = {
    "flow_dot": _dots,
    "flow_requantize": _requantize,
    "flow_quantize_stream": _quantize_stream,
    "flow_argmax": _argmax,
    "flow_fifo": _fifo,
    "flow_axis_in": _axis,
    "flow_axis_out": _axis,
    "flow_skid": _skid,
    "flow_fork": _fork,
    "flow_dense": _dense,
    **IMAGE_SWEEPS,
    **NUMBER_SWEEPS,
    **DSP_SWEEPS,
    **MOVE_SWEEPS,
    **SUM_SWEEPS,
}

# Cells of plain logic, which both Xilinx families map to the same six-input LUTs: measured on one of them.
EITHER = frozenset(
    {
        "flow_dot",
        "flow_requantize",
        "flow_quantize_stream",
        "flow_argmax",
        "flow_axis_in",
        "flow_axis_out",
        "flow_skid",
        "flow_fork",
        "flow_pool",
        "flow_join",
        "flow_relu",
        "flow_scale_shift",
        "flow_dense",
        "flow_depthwise",
        "spatial",
        *NUMBER_SWEEPS,
        *MOVE_SWEEPS,
        *(SUM_SWEEPS.keys() - BY_FAMILY),
        "concat",
        "each",
        "fixed_scale",
    }
)

# Lines of a generated ROM and six-bit weights in each.
ROMS = ((2, 2), (4, 2), (8, 2), (8, 8), (16, 2), (32, 8), (40, 8), (64, 8), (64, 32), (100, 4), (128, 8), (256, 8),
        (512, 4), (512, 16), (1024, 2), (2048, 8), (12, 2), (20, 4), (36, 2), (90, 3), (147, 1), (200, 2), (294, 1),
        (441, 1))  # fmt: skip

# The same of ROMs so deep that block RAM holds several lines side by side.
DEEP_ROMS = ((1200, 3), (1600, 4), (2500, 1), (2700, 2), (3600, 3), (4500, 2), (6100, 1), (7000, 2), (9100, 1),
             (12600, 1))  # fmt: skip

# Address bits of a table, bits of an entry, and whether it is smooth (1) or random (0).
TABLES = ((4, 4, 1), (4, 8, 0), (5, 6, 1), (6, 6, 1), (6, 6, 0), (7, 8, 1), (8, 8, 1), (8, 6, 0), (9, 8, 1), (10, 8, 1))

# Most neurons of a layer of the random designs that calibrate the spatial architecture, or what they are instead.
SPATIAL_DESIGNS = (8,) * 16 + (12,) * 8 + (IMAGE,) * 16 + (TRUTH_TABLES,) * 8


def cell_of(sweep: str) -> str:
    """The cell that a sweep measures.

    >>> cell_of("flow_dense+dsp"), cell_of("flow_fifo")
    ('flow_dense', 'flow_fifo')
    """
    return sweep.split("+")[0]


def measured_on(cell: str, family: Family) -> Family:
    """The family whose measurements hold for a cell.

    Plain logic is the same on both Xilinx families; ECP5 stands in for Gowin, whose cells also have four inputs.
    """
    if family is Family.GOWIN:
        return Family.ECP5
    return Family.XCUP if family is Family.XC7 and cell in EITHER else family
