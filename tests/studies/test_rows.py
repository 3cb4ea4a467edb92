"""The form of the figures: its keys are those that other programs rely on."""

import json

from flow.studies.rows import Row, SpreadRow, machine, versions, write_rows


def test_the_file_has_the_keys_of_the_contract(tmp_path):
    rows = [Row("a", "flow", 2.0, "s", 1.0), SpreadRow("b", "peer", 3.0, "%", None, 0.5, 4)]
    write_rows(tmp_path / "new" / "rows.json", rows, ["numpy", "no-such-package"])
    content = json.loads((tmp_path / "new" / "rows.json").read_text())
    assert (content["machine"], content["versions"]) == (machine(), versions(["numpy"]))
    assert list(content["versions"]) == ["numpy"]
    first = {"case": "a", "who": "flow", "value": 2.0, "unit": "s", "ratio_to_flow": 1.0}
    second = {"case": "b", "who": "peer", "value": 3.0, "unit": "%", "ratio_to_flow": None, "spread": 0.5, "seeds": 4}
    assert content["rows"] == [first, {**second, "values": []}]
