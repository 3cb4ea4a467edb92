import numpy as np
import pytest

from flow.errors import ToolError
from flow.estimation import registers
from flow.estimation.characterise import Case, cell_digest, measure_cases, read_cells, rtl_sources
from flow.estimation.fit import non_negative_least_squares
from flow.estimation.forms import FORMS, cell_rows, luts, uses_dsps
from flow.estimation.memory import block_rams, goes_to_block_ram
from flow.estimation.rom import RomShape, rom_shape
from flow.estimation.sweeps import SWEEPS
from flow.synthesis import Family, recipe, tool

FAMILIES = (Family.XCUP, Family.XC7)
AGAIN = "the measurements are stale; run: python -m flow.estimation.characterise"
RESULTS = ("lut", "ff", "dsp", "bram")


def test_the_stored_measurements_belong_to_this_tool_recipe_and_these_cells():
    data, sources = read_cells(), rtl_sources()
    assert data["tool"] == tool(), AGAIN
    assert data["recipe"] == {family.value: list(recipe(family)) for family in FAMILIES}, AGAIN
    assert data["cells"] == {cell: cell_digest(cell, sources) for cell in SWEEPS}, AGAIN
    assert len(data["rows"]) > 250


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


def test_measuring_a_cell_again_gives_the_stored_row():
    rows = [row for cell in ("flow_skid", "flow_fifo") for row in cell_rows(cell, Family.XC7)][::6]
    names = {"cell", "family", *RESULTS}
    cases = [Case(row["cell"], {key: value for key, value in row.items() if key not in names}) for row in rows]
    areas = measure_cases(cases, Family.XC7)
    assert [[getattr(area, key) for key in RESULTS] for area in areas] == [
        [row[key] for key in RESULTS] for row in rows
    ]
    assert len(rows) == 6


def test_a_case_with_a_parameter_that_the_cell_lacks_is_refused():
    with pytest.raises(ToolError) as caught:
        measure_cases([Case("flow_skid", {"Breadth": 3})], Family.XCUP)
    assert str(caught.value) == "Cell 'flow_skid' does not have all the parameters {'Breadth': 3}; see its header."


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", FORMS)
def test_no_coefficient_is_negative_and_the_form_follows_its_measurements(name, family):
    form = FORMS[name]
    rows = [row for row in cell_rows(form.cell, family) if form.covers(row)]
    errors = []
    for row in rows:
        parts = luts(name, row, family)
        assert min(parts.values()) >= 0
        guess = sum(parts.values()) + form.known(row, family)
        errors.append(abs(guess - row["lut"]) / max(row["lut"], form.floor))
    assert len(rows) >= 4
    assert sum(errors) / len(errors) < (0.25 if name == "flow_requantize" else 0.1)


COUNTED = {
    "flow_skid": lambda p, family: 2 * p["Width"] + 2,
    "flow_axis_in": registers.axis_in,
    "flow_axis_out": registers.axis_out,
    "flow_fork": registers.fork,
}


@pytest.mark.parametrize("cell", COUNTED)
def test_flip_flops_of_the_small_cells_are_exact(cell):
    rows = cell_rows(cell, Family.XCUP)
    assert [COUNTED[cell](row, Family.XCUP) for row in rows] == [row["ff"] for row in rows]
    assert len(rows) >= 4


@pytest.mark.parametrize("family", FAMILIES)
def test_flip_flops_of_a_layer_are_exact(family):
    rows = [row for row in cell_rows("flow_dense", family) if not row["UseDsp"]]
    from_outside = [(RomShape(2, 0, 0), RomShape(2, 0, row["Pe"] * row["AccWidth"])) for row in rows]
    counted = [registers.dense(row, roms, family) for row, roms in zip(rows, from_outside, strict=True)]
    assert counted == [row["ff"] for row in rows]
    assert len(rows) == 11


@pytest.mark.parametrize("family", FAMILIES)
def test_products_of_nine_bits_and_more_are_dsps_where_they_may_be(family):
    rows = [row for row in cell_rows("flow_dense", family) if row["UseDsp"]]
    assert [row["Pe"] * row["Simd"] for row in rows if uses_dsps(row)] == [row["dsp"] for row in rows]
    assert not uses_dsps({**rows[0], "XWidth": 3})
    assert len(rows) == 8


@pytest.mark.parametrize("family", FAMILIES)
def test_memories_of_weights_are_where_and_as_large_as_predicted(family):
    rows = cell_rows("rom", family)
    for row in rows:
        blocks = goes_to_block_ram(row["Width"], row["Depth"])
        assert row["bram"] == (block_rams(row["Width"], row["Depth"]) if blocks else 0)
        assert row["ff"] == (0 if blocks else row["Columns"])
    assert sum(row["bram"] > 0 for row in rows) == 4
    assert len(rows) == 16


def test_constant_and_equal_columns_are_not_counted():
    lines = ["0f", "1f", "2f", "3f"]  # bit 4 and bit 5 count, the low four are constant
    assert rom_shape(lines, 6) == RomShape(4, 6, 2)
    assert rom_shape(["5", "a"], 4) == RomShape(2, 4, 2)  # two pairs of equal columns
    assert rom_shape(["7"], 4) == RomShape(1, 4, 0)


def test_the_fit_finds_known_coefficients_and_clips_at_zero():
    rng = np.random.default_rng(0)
    rows = rng.random((50, 4))
    assert np.allclose(non_negative_least_squares(rows, rows @ [3.0, 0.0, 1.5, 0.25], np.ones(50)), [3, 0, 1.5, 0.25])
    clipped = non_negative_least_squares(rows, rows @ [3.0, -1.0, 1.0, 0.0], np.ones(50))
    assert clipped.min() == 0.0
    residual = rows.T @ (rows @ clipped - rows @ [3.0, -1.0, 1.0, 0.0])
    assert np.all(residual[clipped == 0] >= -1e-6)  # Karush-Kuhn-Tucker: no clipped coefficient wants to grow
    assert np.allclose(residual[clipped > 0], 0, atol=1e-6)
