"""What a user may choose about an HLS project: how it is written, and what is refused. tests/simulation runs it."""

import itertools
import re

import numpy as np
import pytest

from flow.errors import ExportError
from flow.exporters.hls import export_hls
from flow.exporters.hls.linear import folded, naf_digits
from tests.graphs import mlp_graph, resnet_graph


def test_digits_add_up_to_the_code():
    """Every code of ten bits and the ends of 62, and never two digits side by side."""
    codes = np.array([*range(-512, 512), -(1 << 61), (1 << 61) - 1, int("01" * 31, 2)])
    digits = naf_digits(codes)
    assert digits.shape == (1027, 31)
    for code, row in zip(codes.tolist(), digits.tolist(), strict=True):
        used = [digit for digit in row if digit]
        assert sum((1 if digit > 0 else -1) << (abs(digit) - 1) for digit in used) == code
        powers = sorted(map(abs, used))
        assert all(high - low > 1 for low, high in itertools.pairwise(powers))


def test_zeros_have_one_digit_that_is_none():
    assert naf_digits(np.zeros((2, 3), dtype=np.int64)).tolist() == [[[0], [0], [0]], [[0], [0], [0]]]


def test_a_step_reads_neighbours_and_the_last_one_is_filled_up():
    rows = np.arange(1, 21).reshape(4, 5)
    made = folded(rows, pe=2, simd=2)
    assert made.shape == (2, 3, 2, 2)
    assert made[1].tolist() == [[[11, 12], [16, 17]], [[13, 14], [18, 19]], [[15, 0], [20, 0]]]


@pytest.mark.parametrize("form", ["parallel", "stream"])
def test_the_choices_of_a_layer_stand_in_its_file(form):
    chosen = {"fc2": {"pe": 4, "simd": 8, "multiplier": "dsp", "storage": "block"}}
    files = export_hls(mlp_graph(), form=form, multiplier="fabric", storage="distributed", layers=chosen)
    one, two, cast = (str(files[f"layers/{name}.cpp"]) for name in ("fc1", "fc2", "fc1_out"))
    assert re.findall(r"(\S+)[,>] // (?:MULTIPLY|PE|SIMD)", one) == ["::flow::multiply_in_fabric", "1", "64"]
    assert re.findall(r"(\S+)[,>] // (?:MULTIPLY|PE|SIMD)", two) == ["::flow::multiply_in_dsp", "4", "8"]
    assert re.findall(r"#pragma HLS (\w+) variable=(\S+) (.*)", two) == [
        ("BIND_STORAGE", "fc2_weight", "type=rom_1p impl=bram"),
        ("RESOURCE", "fc2_weight", "core=ROM_1P_BRAM"),
        ("BIND_STORAGE", "fc2_bias", "type=rom_1p impl=bram"),
        ("RESOURCE", "fc2_bias", "core=ROM_1P_BRAM"),
    ]
    assert "using mlp_weights::fc2_weight;\n" in two
    assert one.count("impl=lutram") == 2
    assert "BIND_STORAGE" not in cast
    assert "// weight s6.6, [8, 4, 4, 8]: outputs / PE, steps, PE, SIMD\n" in files["weights/fc2.h"]


def test_digits_are_stored_instead_of_codes():
    text = str(export_hls(mlp_graph(), multiplier="shift_add")["weights/fc2.h"])
    assert "// weight s6.6, [32, 1, 1, 32, 3]: outputs / PE, steps, PE, SIMD, digits\n" in text
    assert re.search(r"typedef ap_fixed<6, 0> fc2_weight_t;\nstatic const ::flow::code<4, true>::type", text)
    assert "::flow::multiply_by_shifts<3>, // MULTIPLY" in str(
        export_hls(mlp_graph(), multiplier="shift_add")["layers/fc2.cpp"]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "systolic"}, "The form of an HLS project is one of parallel, stream, not 'systolic'."),
        (
            {"multiplier": "booth"},
            "The multiplier of an HLS project is one of tool, dsp, fabric, shift_add, not 'booth'.",
        ),
        ({"storage": 3}, "The storage of an HLS project is one of tool, block, distributed, not 3."),
        (
            {"layers": {"steam": {"pe": 2}}},
            "Design 'resnet' has no layer 'steam' to choose for; did you mean 'stem'?",
        ),
        ({"layers": {"stem": {"pes": 2}}}, "Conv2d 'stem' has no choice 'pes'; did you mean 'pe'?"),
        (
            {"layers": {"stem.relu": {"pe": 2}}},
            "Relu 'stem.relu' cannot choose 'pe', which only Dense, Conv2d have; leave it out.",
        ),
        (
            {"layers": {"max": {"multiplier": "dsp"}}},
            "MaxPool2d 'max' cannot choose 'multiplier', which only Dense, Conv2d, ScaleShift have; leave it out.",
        ),
        (
            {"layers": {"stem": {"pe": 3}}},
            "Conv2d 'stem' cannot have PE 3: it must be a whole number that divides the 8 outputs.",
        ),
        (
            {"layers": {"block": {"simd": 5}}},
            "Conv2d 'block' cannot have SIMD 5: it must be a whole number that divides the 72 terms of a sum.",
        ),
        (
            {"layers": {"fc": {"simd": "all"}}},
            "Dense 'fc' cannot have SIMD 'all': it must be a whole number that divides the 8 terms of a sum.",
        ),
        (
            {"layers": {"fc": {"storage": "uram"}}},
            "The storage of layer 'fc' of an HLS project is one of tool, block, distributed, not 'uram'.",
        ),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ExportError) as caught:
        export_hls(resnet_graph(), **options)
    assert str(caught.value) == message


def test_an_option_that_is_none():
    with pytest.raises(ExportError) as caught:
        export_hls(mlp_graph(), forms="stream")
    assert str(caught.value) == "An HLS project has no option 'forms'; did you mean 'form'?"


def test_layers_are_choices_by_name():
    with pytest.raises(ExportError) as caught:
        export_hls(mlp_graph(), layers=["fc1"])
    assert str(caught.value) == (
        "The layers of an HLS project are choices by name, as {'fc1': {'pe': 4}}, not ['fc1']."
    )
