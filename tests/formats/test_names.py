from __future__ import annotations

from flow.formats import AP_OVERFLOW, AP_ROUNDING, QONNX_ROUNDING, Overflow, Rounding


def test_every_mode_has_the_name_that_ap_fixed_gives_it():
    assert [AP_ROUNDING[mode] for mode in Rounding] == [
        "AP_TRN", "AP_TRN_ZERO", "AP_RND", "AP_RND_ZERO", "AP_RND_INF", "AP_RND_MIN_INF", "AP_RND_CONV",
    ]  # fmt: skip
    assert [AP_OVERFLOW[mode] for mode in Overflow] == [
        "AP_WRAP", "AP_SAT", "AP_SAT_ZERO", "AP_SAT_SYM", "AP_WRAP_SM",
    ]  # fmt: skip


def test_the_two_modes_that_qonnx_lacks_have_no_name_there():
    """HALF_UP looks like RND and is not: it sends negative ties down."""
    assert set(Rounding) - set(QONNX_ROUNDING) == {Rounding.RND, Rounding.RND_MIN_INF}
    assert QONNX_ROUNDING[Rounding.RND_INF] == "HALF_UP"
    assert len(set(QONNX_ROUNDING.values())) == len(QONNX_ROUNDING)
