import functools
import itertools
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from flow.errors import ToolError
from flow.estimation import registers
from flow.estimation.calibrate import FITS, FITTED, FORMS, calibrate, fit_form, luts
from flow.estimation.campaign import digests
from flow.estimation.characterise import cell_batch, cell_digest, measure_batch, rtl_sources
from flow.estimation.fit import cross_validated, non_negative_least_squares
from flow.estimation.fixed_scales import fixed_scales, scale_registers
from flow.estimation.forms import STREAM_FORMS, TABLE_BITS, Form, cell_rows
from flow.estimation.forms_dsp import DSP_FORMS, Lanes, lanes_of, too_narrow, uses_dsps
from flow.estimation.forms_images import IMAGE_FORMS
from flow.estimation.forms_moves import MOVE_FORMS
from flow.estimation.generated import COUNTED as COUNTED_ROWS
from flow.estimation.images import IMAGES
from flow.estimation.memory import Place, block_rams, goes_to_block_ram, place_of_ram
from flow.estimation.points import RESULTS, key_of, read_points
from flow.estimation.rom import RomShape, rom_shape
from flow.estimation.sweeps import SWEEPS, measured_on
from flow.exporters.verilog.constants import scale_shift_context
from flow.synthesis import Area, Family, recipe, tool

FAMILIES = FITTED
XILINX = (Family.XCUP, Family.XC7)
NEEDED = {**STREAM_FORMS, **DSP_FORMS, **IMAGE_FORMS, **MOVE_FORMS}  # what estimates of any streaming design ask for
AGAIN = "the measurements are stale; run: flow characterize"


@functools.cache
def present() -> dict[str, str]:
    return digests()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_stored_points_belong_to_this_tool_recipe_and_these_cells(family):
    stored, held = read_points(family), present()
    assert (stored["tool"], stored["recipe"]) == (tool(), list(recipe(family))), AGAIN
    # The spatial exporter may change its text; held-out designs say whether that matters.
    stale = [cell for cell in stored["cells"] if cell != "spatial" and stored["cells"][cell]["digest"] != held[cell]]
    assert not stale, f"{stale}: {AGAIN}"
    needed = {cell for cell in {form.cell for form in NEEDED.values()} if measured_on(cell, family) is family}
    assert stored["cells"].keys() >= needed, AGAIN
    for cell in needed & SWEEPS.keys():
        assert len(cell_rows(cell, family)) == len({key_of(p) for p in SWEEPS[cell](family)})
    assert len(stored["rows"]) > (70 if family is Family.XC7 else 290)


def test_the_fits_are_those_of_the_points():
    stored = json.loads(FITS.read_text())
    assert calibrate() == stored, "the fits are stale; run: flow characterize"
    assert all(len(stored["forms"][name]) == len(FAMILIES) for name in NEEDED)


def test_a_cell_that_was_not_measured_on_a_family_is_told(monkeypatch):
    monkeypatch.setattr("flow.estimation.calibrate._fits", lambda: {"flow_lmul": {}})
    with pytest.raises(ToolError) as caught:
        luts("flow_lmul", {"Exponent": 3, "Mantissa": 2}, Family.ICE40)
    assert str(caught.value) == (
        "Form 'flow_lmul' has no coefficients for family 'ice40'; measure its cell: flow characterize --families ice40 "
        "--cells flow_lmul."
    )


def test_a_fit_beyond_its_bound_is_refused():
    rows = [{"Width": width, "lut": lut, "carry": 0} for width, lut in ((1, 9), (2, 90), (3, 20), (4, 70), (5, 5))]
    form = Form("flow_skid", lambda p, family: {"skid": p["Width"]})
    with pytest.raises(ToolError) as caught:
        fit_form("skid", form, rows, Family.XCUP)
    error = fit_form("skid", replace(form, bound=1e9), rows, Family.XCUP)["lut"]["error_percent"]["mean"]
    assert str(caught.value) == (
        f"The fit of 'skid' (flow_skid) on xcup errs by {error:.1f} % on points left out, above its bound of 10 %; "
        "give the form a feature that tells those points apart, or measure more."
    )
    assert error > 100


def test_points_left_out_are_predicted_by_the_others():
    x = np.arange(1.0, 11.0)[:, None]
    line = cross_validated(x, 3 * x[:, 0], np.ones(10))
    assert np.allclose(line, 3 * x[:, 0])
    spoilt = np.where(np.arange(10) == 4, 100.0, 3 * x[:, 0])
    unseen = cross_validated(x, spoilt, np.ones(10))
    assert unseen[4] == pytest.approx(15.0)  # fold 4 has places 4 and 9, both left out together
    assert unseen[0] > 3.0


def test_a_change_below_a_cell_is_noticed_and_a_comment_is_not():
    sources = rtl_sources()
    inner = {
        **sources,
        "flow_mul_row.sv": sources["flow_mul_row.sv"].replace("chain[OutWidth:1]", "chain[OutWidth -: OutWidth]"),
    }
    comment = {**sources, "flow_mul_row.sv": "// words\n" + sources["flow_mul_row.sv"]}
    assert cell_digest("flow_dense", inner) != cell_digest("flow_dense", sources)
    assert cell_digest("flow_dense", comment) == cell_digest("flow_dense", sources)
    assert cell_digest("flow_skid", inner) == cell_digest("flow_skid", sources)


@pytest.mark.parametrize("cell", ["flow_skid", "flow_fifo"])
def test_measuring_a_cell_again_gives_the_stored_row(cell):
    rows = cell_rows(cell, Family.XC7)[::20]
    parameters = [{key: value for key, value in row.items() if key not in ("cell", *RESULTS)} for row in rows]
    areas = measure_batch(cell_batch(cell, parameters, Family.XC7))
    assert [[getattr(area, key) for key in RESULTS] for area in areas] == [
        [row[key] for key in RESULTS] for row in rows
    ]
    assert len(rows) == {"flow_skid": 1, "flow_fifo": 3}[cell]


def test_what_two_wires_take_is_taken_off_every_case(monkeypatch):
    batch = cell_batch("flow_skid", [{"Width": 1}, {"Width": 2}], Family.ICE40)
    heard = []

    def whole(modules, family, sources):
        heard.append((list(modules), family, sources))
        areas = (Area(9, 8, 7, 6.5, 5, 4), Area(2, 8, 7, 6.0, 5, 4), Area(2, 1, 1, 0.5, 1, 1))
        return SimpleNamespace(module_areas=dict(zip(modules, areas, strict=True)))

    monkeypatch.setattr("flow.estimation.characterise.synthesise_whole", whole)
    assert measure_batch(batch) == [Area(7, 7, 6, 6.0, 4, 3), Area(0, 7, 6, 5.5, 4, 3)]
    assert heard == [(["case_0", "case_1", "case_identity"], Family.ICE40, batch.sources)]


def test_a_case_with_a_parameter_that_the_cell_lacks_is_refused():
    with pytest.raises(ToolError) as caught:
        cell_batch("flow_skid", [{"Breadth": 3}], Family.XCUP)
    assert str(caught.value) == "Cell 'flow_skid' does not have all the parameters {'Breadth': 3}; see its header."


@pytest.mark.parametrize("family", FAMILIES)
def test_no_coefficient_is_negative_and_the_forms_follow_their_measurements(family):
    checked = 0
    for name, form in FORMS.items():
        count = COUNTED_ROWS.get(form.cell, dict)
        rows = [row for row in map(count, cell_rows(form.cell, family)) if form.covers(row, family)]
        errors = []
        for row in rows if len(rows) > 1 else ():
            parts = luts(name, row, measured_on(form.cell, family))
            assert min(parts.values()) >= 0
            guess = sum(parts.values()) + form.known(row, measured_on(form.cell, family), "lut")
            errors.append(100 * abs(guess - row["lut"]) / max(row["lut"], form.floor))
        assert not errors or sum(errors) / len(errors) < form.bound * (1 if family in XILINX else 2), name
        checked += bool(errors)
    assert checked >= len(NEEDED)


# Where Yosys merges a register of one of the points with another.
MERGED = {("flow_pool", Family.ICE40)}
COUNTED = {
    "flow_skid": lambda p, family: 2 * p["Width"] + 2,
    "flow_axis_in": registers.axis_in,
    "flow_axis_out": registers.axis_out,
    "flow_fork": registers.fork,
    "flow_pool": lambda p, family: IMAGES["flow_pool"](p, family)[1].ff,
    "flow_join": lambda p, family: IMAGES["flow_join"](p, family)[1].ff,
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("cell", COUNTED)
def test_flip_flops_of_the_small_cells_are_exact(cell, family):
    if (cell, family) in MERGED:
        return
    rows = cell_rows(cell, family)
    assert [COUNTED[cell](row, family) for row in rows] == [row["ff"] for row in rows]
    assert len(rows) >= 4


@pytest.mark.parametrize("family", FAMILIES)
def test_fifos_and_rings_lie_where_the_mapper_puts_them(family):
    """Block RAMs tell those in blocks, the flip-flops of a FIFO the others."""
    fifos, rings = cell_rows("flow_fifo", family), cell_rows("flow_window", family)
    for row in (*fifos, *rings):
        in_blocks = place_of_ram(row["Width"], row["Depth"], family) is Place.BLOCKS
        assert row["bram"] == (block_rams(row["Width"], row["Depth"], family) if in_blocks else 0)
    assert [registers.fifo(row, family) for row in fifos] == [row["ff"] for row in fifos]
    assert (len(fifos), len(rings)) == (51, 32)


@pytest.mark.parametrize("family", FAMILIES)
def test_flip_flops_of_windows_are_known_within_a_few(family):
    rows = cell_rows("flow_window", family)
    counted = np.array([IMAGES["flow_window"](row, family)[1].ff for row in rows])
    truth = np.array([row["ff"] for row in rows])
    assert np.median(np.abs(counted - truth) / truth) < 0.08


def test_flip_flops_of_a_layer_are_exact():
    family = Family.XCUP
    rows = [*cell_rows("flow_dense", family), *cell_rows("flow_dense+dsp", family)]
    from_outside = [(RomShape(2, 0, 0), RomShape(2, 0, row["Pe"] * row["AccWidth"])) for row in rows]
    counted = [registers.dense(row, roms, family) for row, roms in zip(rows, from_outside, strict=True)]
    assert counted == [row["ff"] for row in rows]
    assert len(rows) == 38 + 28


@pytest.mark.parametrize("family", [Family.XCUP, Family.ECP5, Family.ICE40])
def test_flip_flops_beside_constants_that_stand_still_are_exact(family):
    contexts = [scale_shift_context(plan, plan.graph["y"], False) for plan in fixed_scales()]
    codes = [[found[name].codes.ravel().tolist() for name in ("scale", "shift")] for found in contexts]
    counted = [scale_registers(found["parameters"], *each) for found, each in zip(contexts, codes, strict=True)]
    assert {found["parameters"]["Beats"] for found in contexts} == {1}
    truth = [row["ff"] for row in cell_rows("fixed_scale", family)]
    sizes = [found["parameters"]["XWidth"] + found["parameters"]["SWidth"] for found in contexts]
    exact = [size > TABLE_BITS for size in sizes]  # Yosys may keep what a table leaves constant
    assert list(itertools.compress(counted, exact)) == list(itertools.compress(truth, exact))
    assert (sum(exact), len(truth)) == (16, 18)


def test_flip_flops_of_a_depthwise_layer_are_exact():
    rows = [*cell_rows("flow_depthwise", Family.XCUP), *cell_rows("flow_depthwise+dsp", Family.XCUP)]
    biases = [RomShape(2, 0, row["Lanes"] * row["AccWidth"]) for row in rows]
    counted = [registers.depthwise(row, (bias,), Family.XCUP) for row, bias in zip(rows, biases, strict=True)]
    assert counted == [row["ff"] for row in rows]
    assert len(rows) == 10 + 5


@pytest.mark.parametrize("family", XILINX)
def test_dsps_are_as_many_as_predicted(family):
    layers = cell_rows("flow_dense+dsp", family)
    assert [lanes_of(row).dsps(row["Simd"]) for row in layers] == [row["dsp"] for row in layers]
    assert sum(lanes_of(row).shared > 0 for row in layers) == 12
    single = [*cell_rows("flow_depthwise+dsp", family), *cell_rows("flow_scale_shift+dsp", family)]
    assert [row["Lanes"] for row in single] == [row["dsp"] for row in single]
    assert (len(layers), len(single)) == (28, 10)


@pytest.mark.parametrize("family", [Family.ECP5, Family.ICE40])
def test_dsps_beside_luts_of_four_inputs_are_as_many_as_predicted(family):
    layers = cell_rows("flow_dense+dsp", family)
    counted = [0 if too_narrow(row, family) else lanes_of(row).dsps(row["Simd"]) for row in layers]
    assert counted == [row["dsp"] for row in layers]
    assert (len(layers), counted.count(0)) == (18, 6 * (family is Family.ICE40))


def test_products_of_less_than_nine_bits_stay_in_logic():
    layer = {"UseDsp": 1, "Pe": 3, "XWidth": 4, "WWidth": 4, "WSigned": 1, "DspWidth": 27}
    assert not uses_dsps(layer)
    assert lanes_of(layer) == Lanes(logic=3)
    assert lanes_of({**layer, "WWidth": 5}) == Lanes(single=3)


@pytest.mark.parametrize("family", FAMILIES)
def test_memories_of_weights_are_where_and_as_large_as_predicted(family):
    rows = cell_rows("rom", family)
    for row in rows:
        blocks = goes_to_block_ram(row["Width"], row["Depth"], family)
        assert row["bram"] == (block_rams(row["Width"], row["Depth"], family) if blocks else 0)
        if family in XILINX:
            assert row["ff"] == (0 if blocks else row["Columns"])
    assert sum(row["bram"] > 0 for row in rows) >= 4
    assert len(rows) == 24


def test_constant_and_equal_columns_are_not_counted():
    lines = np.array([[0x0F], [0x1F], [0x2F], [-1]])  # bit 4 and bit 5 count, the low four are constant
    assert rom_shape(lines, 6) == RomShape(4, 6, 2)
    assert rom_shape(np.array([[1, 1], [2, 2]]), 2) == RomShape(2, 4, 2)  # two pairs of equal columns
    assert rom_shape(np.array([[7]]), 4) == RomShape(1, 4, 0)


def test_the_fit_finds_known_coefficients_and_clips_at_zero():
    rng = np.random.default_rng(0)
    rows = rng.random((50, 4))
    assert np.allclose(non_negative_least_squares(rows, rows @ [3.0, 0.0, 1.5, 0.25], np.ones(50)), [3, 0, 1.5, 0.25])
    clipped = non_negative_least_squares(rows, rows @ [3.0, -1.0, 1.0, 0.0], np.ones(50))
    assert clipped.min() == 0.0
    residual = rows.T @ (rows @ clipped - rows @ [3.0, -1.0, 1.0, 0.0])
    assert np.all(residual[clipped == 0] >= -1e-6)  # Karush-Kuhn-Tucker: no clipped coefficient wants to grow
    assert np.allclose(residual[clipped > 0], 0, atol=1e-6)
