"""The page of findings says what its rows say, and the one in docs/ is that of the rows beside it."""

import json
from pathlib import Path

import flow
from flow.stages.compare import published
from flow.studies.compare.evidence import cost_marks, extra_of, memory_marks, per_mac
from flow.studies.compare.findings import findings

DOCS = Path(flow.__file__).parents[1] / "docs"
KINDS = {"s": "integer", "sm": "sign_magnitude", "e": "minifloat", "k": "khot", "lmul": "lmul"}


def row(name: str, unit: str, lut: int, **changes) -> dict:
    kind = next(KINDS[start] for start in ("sm", "lmul", "s", "e", "k") if name.startswith(start))
    return {
        "family": "xcup", "with_dsp": False, "unit": unit, "format": name, "kind": kind, "bits": 4, "memory_bits": 4.0,
        "lut": lut, "ff": 0, "dsp": 0, "carry": 0, "sites": lut, "form": "array", "forms": {"array": lut},
        "accuracy": None, **changes,
    }  # fmt: skip


def share(name: str, accuracy: float, **changes) -> dict:
    kind = "float" if name == "float" else row(name, "mac", 0)["kind"]
    return {
        "net": "n", "dataset": "d", "format": name, "kind": kind, "bits": 32 if name == "float" else 4,
        "memory_bits": 4.0, "scope": "both", "method": "qat", "seeds": 1, "samples": 200, "accuracy": accuracy,
        "spread": None, **changes,
    }  # fmt: skip


ROWS = [
    row("s4", "mac", 20), row("sm4", "mac", 16), row("e1m2", "mac", 16), row("e2m1", "mac", 24), row("e3m0", "mac", 90),
    row("e4m1", "mac", 70, bits=4), row("lmul_e2m1", "mac", 12), row("k1s4", "mac", 19, form="shift"),
    row("s4", "dot8_back", 100), row("e2m1", "dot8_back", 130),
]  # fmt: skip
SHARES = [share("s4", 0.9), share("e2m1", 0.95), share("e1m2", 0.85), share("e4m1", 0.94), share("k1s4", 0.9),
          share("float", 0.96, method="float"), share("s4", 0.8, method="ptq")]  # fmt: skip
CONTENT = {"tool": "T 1", "date": "2026-01-02", "recipe": {}, "rows": ROWS, "accuracies": SHARES}


def test_the_published_ranges_are_compared_with_true_minifloats_of_the_same_bits():
    rows = {entry["format"]: entry for entry in ROWS if entry["unit"] == "mac"}
    assert extra_of(rows, "s") == {"e2m1": 20.0, "e4m1": 250.0}  # without e1m2 and e3m0
    assert extra_of(rows, "sm") == {"e2m1": 50.0, "e4m1": 337.5}
    page = findings(CONTENT)
    assert (
        "- xcup, MAC, against two's complement: +20 % (e2m1) to +250 % (e4m1), median +135 %; does not agree: 1 of 2 "
        "formats lie in the range; above it e4m1.\n"
    ) in page
    assert (
        "- xcup, dot-8 and back, against two's complement: +30 % (e2m1) to +30 % (e2m1), median +30 %; does not agree: "
        "0 of 1 formats lie in the range; below it e2m1.\n"
    ) in page
    assert "with DSP" not in page


def test_fronts_hold_integers_or_do_not():
    marks = cost_marks(CONTENT, "xcup", "n", "qat")
    assert {(mark.name, mark.cost, mark.value) for mark in marks} == {
        ("s4", 20.0, 90.0), ("e2m1", 24.0, 95.0), ("e4m1", 70.0, 94.0), ("k1s4", 19.0, 90.0),
    }  # fmt: skip
    page = findings(CONTENT)
    assert "0 of 2 on the front are integers: k1s4 (90.0 % at 19 LUT), e2m1 (95.0 % at 24 LUT).\n" in page
    assert "agrees in part: on 1 of the 2 fronts of accuracy against LUTs there are some, 50 % of a front" in page
    assert [mark.name for mark in memory_marks(CONTENT, "n", "qat")] == ["s4", "e2m1", "e4m1", "k1s4"]


def test_a_mac_is_told_by_the_unit_of_most_formats():
    assert per_mac(CONTENT, "xcup")[0] == "mac"
    more = {**CONTENT, "rows": [*ROWS, *(row(r["format"], "dot32", 320) for r in ROWS if r["unit"] == "mac")]}
    unit, costs = per_mac(more, "xcup")
    assert (unit, set(costs.values())) == ("dot32", {10.0})
    assert per_mac(CONTENT, "ecp5")[1] == {}


def test_what_is_the_same_and_what_is_not():
    page = findings(CONTENT)
    assert "Of 1 pairs 1 take the same number of LUT places: one exponent bit shifts nothing" in page
    other = {**CONTENT, "rows": [*ROWS[:2], row("e1m2", "mac", 17), *ROWS[3:]]}
    assert "Of 1 pairs 0 take the same number" in findings(other)
    assert "sm4 16, e1m2 17 (xcup, MAC)" in findings(other)
    assert "takes 0.50 (lmul_e2m1) to 0.50 (lmul_e2m1) of the exact one's LUT places, 0.50 in the median" in page
    assert "- xcup, MAC: k1s4 19 by shift (integer 20).\n" in page
    assert "| 4 | QAT | 90.00 (s4) | 95.00 (e2m1) | +5.00 |\n" in page
    assert "in percent, mean over seeds: PTQ 1, QAT 1. One of the 200 test samples is 0.50." in page


def test_accuracy_by_the_approximate_product_stands_beside_the_exact_one():
    assert "exact or by L-Mul" not in findings(CONTENT)
    page = findings({**CONTENT, "accuracies": [*SHARES, share("lmul_e2m1", 0.93)]})
    assert "| net | format | exact | L-Mul | exact, trained | L-Mul, trained |\n" in page
    assert "| n | e2m1 | – | – | 95.00 | 93.00 |\n" in page
    assert "lmul_e2m1 (93.0 % at 12 LUT)" in page


def test_families_of_the_same_luts_are_compared_unit_by_unit():
    assert "The two families of LUT6" not in findings(CONTENT)
    twins = [
        row("s4", "mac", 20, family="xc7"),
        row("e2m1", "mac", 30, family="xc7"),
        row("s8", "mac", 9, family="xc7"),
    ]
    page = findings({**CONTENT, "rows": [*ROWS, *twins]})
    told = (
        "- LUTs only: 1 of 2 units take on xc7 what they take on xcup; of LUT places +0 % to +25 %, median +12.5 %.\n"
    )
    assert told in page


def test_what_a_dsp_takes_whole_is_no_base_of_a_percentage():
    whole = [row("s4", "mac", 0, family=f, with_dsp=True, dsp=1) for f in ("xcup", "xc7")]
    page = findings({**CONTENT, "rows": [*ROWS, *whole, row("e2m1", "mac", 18, with_dsp=True, dsp=1)]})
    assert "| s4 | 4 | 0 + 1 DSP | array |\n" in page
    assert "- DSPs allowed: 1 of 1 units take on xc7 what they take on xcup.\n" in page


def test_the_form_of_a_sum_is_told_where_there_was_a_choice():
    summed = row("s4", "dot32", 500, form="pairs", forms={"array": 590, "pairs": 500})
    assert "- xcup, dot-32, where there was a choice: pairs: s4.\n" in findings({**CONTENT, "rows": [*ROWS, summed]})
    assert "where there was a choice" not in findings(CONTENT)


def test_what_is_missing_is_seen():
    page = findings(CONTENT)
    assert "| formats | xcup |\n| --- | ---: |\n| multiplier | 0 of 65 |\n| MAC | 8 of 65 |\n" in page
    assert "| dot-8 and back | 2 of 62 |\n" in page
    assert "| n | PTQ | 1, seeds: 1 | – | – |\n| n | QAT | 5, seeds: 1 | – | – |\n" in page
    more = {**CONTENT, "accuracies": [*SHARES, share("s8", 0.9, seeds=3)]}
    assert "| n | QAT | 6, seeds: 1..3 | – | – |\n" in findings(more)


def test_means_say_how_many_seeds_they_have():
    more = [share("s8", 0.9, seeds=3, spread=0.01, bits=8), share("e4m3", 0.9, seeds=3, spread=0.03, bits=8)]
    page = findings({**CONTENT, "accuracies": [*SHARES, *more]})
    assert "mean over seeds: PTQ 1, QAT 1..3 (standard deviation 2.00 in the median). One of" in page
    assert "| 8 | QAT | 90.00 (s8) | 90.00 (e4m3) | +0.00 |\n" in page


def test_products_that_share_a_dsp_are_told_by_the_product():
    tile = row("s4", "tile", 64, with_dsp=True, dsp=8, form="packed4")
    alone = row("s4", "dot8", 72, with_dsp=True, dsp=8)
    page = findings({**CONTENT, "rows": [*ROWS, tile, alone, row("s4", "dot8", 128)]})
    assert "xcup, a product:\n\n| format | products in a DSP | 2 x 2 dot-8 | dot-8 | dot-8, LUTs only |\n" in page
    assert "| s4 | 4 | 2.0 + 0.25 DSP | 9.0 + 1 DSP | 16.0 + 0 DSP |\n" in page
    assert "Several products in a DSP" not in findings(CONTENT)


def test_minifloats_are_ahead_by_more_than_a_sample_or_not():
    told = (
        "- n, QAT: agrees: by more than one test sample the best minifloat is ahead at 1 of 1 lengths, the best integer"
    )
    assert f"from 4 bits on:\n\n{told} at 0.\n" in findings(CONTENT)
    close = [share("s4", 0.9), share("e2m1", 0.905), share("s5", 0.9, bits=5), share("e2m2", 0.89, bits=5)]
    told = (
        "- n, QAT: does not agree: by more than one test sample the best minifloat is ahead at 0 of 2 lengths, the best"
    )
    assert f"{told} integer at 1.\n" in findings({**CONTENT, "accuracies": close})


def test_weights_and_activations_stand_apart():
    alone = [
        share(name, value, scope=scope, method="ptq")
        for name, scope, value in (("s4", "weights", 0.9), ("e2m1", "weights", 0.8), ("s4", "activations", 0.7),
                                   ("e2m1", "activations", 0.75))
    ]  # fmt: skip
    page = findings({**CONTENT, "accuracies": [*SHARES, *alone]})
    assert "| n | PTQ | 4 | 90.00 (s4) | 80.00 (e2m1) | 70.00 (s4) | 75.00 (e2m1) |\n" in page
    assert "Weights alone" not in findings(CONTENT)


def test_the_page_in_docs_is_that_of_the_rows_beside_it():
    content = json.loads((DOCS / "compare.json").read_text())
    made = published(content)
    assert len(content["rows"]) > 200
    assert len(made) > 4
    for name, text in made.items():
        assert (DOCS / name).read_text() == text, name
    plots = {f"plots/{path.name}" for path in (DOCS / "plots").glob("accuracy_*.svg")}
    assert plots == {name for name in made if name.startswith("plots/")}
