import re
from itertools import pairwise
from xml.etree import ElementTree

from flow.reporting.scatter import Mark, draw_scatter, front, standalone

MARKS = [
    Mark("s4", "integer", 20, 90.0), Mark("e2m1", "minifloat", 22, 92.0), Mark("s8", "integer", 60, 96.0),
    Mark("e4m3", "minifloat", 90, 96.0), Mark("e5m2<b>", "minifloat", 130, 70.0),
]  # fmt: skip


def test_the_front_holds_what_nothing_beats():
    assert [mark.name for mark in front(MARKS)] == ["s4", "e2m1", "s8"]
    assert front([]) == []
    assert [mark.name for mark in front([Mark("b", "", 1, 1), Mark("a", "", 1, 1), Mark("c", "", 2, 1)])] == ["a", "b"]


def test_a_kind_has_the_same_colour_in_every_plot():
    known = ("integer", "block", "minifloat")
    for marks in (MARKS, MARKS[1::2]):
        drawing = draw_scatter(marks, "a net", "LUT", "accuracy", kinds=known)
        assert re.search(r'class="k2"[^>]*><title>e2m1', drawing)
        assert 'class="k1"' not in drawing


def test_every_mark_is_a_point_and_those_of_the_front_have_names():
    drawing = standalone(draw_scatter(MARKS, "a net", "LUT", "accuracy"))
    root = ElementTree.fromstring(drawing)  # noqa: S314  our own text
    space = "{http://www.w3.org/2000/svg}"
    points = [shape for shape in root.iter(f"{space}rect") if shape.find(f"{space}title") is not None]
    assert len(points) == len(MARKS)
    assert "e5m2<b>: 70.00 at 130.00" in {point.find(f"{space}title").text for point in points}
    names = [shape.text for shape in root.iter(f"{space}text") if shape.get("class") == "name mid"]
    assert names == ["s4", "e2m1", "s8"]
    joined = root.find(f"{space}polyline").get("points").split()
    places = {(float(p.get("x")) + 4, float(p.get("y")) + 4) for p in points}
    assert len(joined) == 3
    assert {tuple(map(float, pair.split(","))) for pair in joined} <= places


def test_a_file_of_its_own_needs_no_other():
    drawing = standalone(draw_scatter(MARKS, "a net", "LUT", "accuracy"))
    assert drawing.count("<style>") == 1
    assert not re.findall(r"(?:href|src|url\()", drawing)


def test_what_is_too_low_is_left_out_and_counted():
    drawing = draw_scatter(MARKS, "a net", "LUT", "accuracy", least=84.0, unit=" %")
    assert "1 below 84 % left out" in drawing
    assert "e5m2" not in drawing
    assert "left out" not in draw_scatter(MARKS, "a net", "LUT", "accuracy")


def test_names_do_not_cover_each_other():
    close = [Mark(f"name{i}", "a", 10 + i / 100, 90 + i / 100) for i in range(5)]
    drawing = draw_scatter([*close, Mark("far", "a", 50, 91)], "t", "c", "v")
    found = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" class="name mid">name', drawing)
    assert len(found) == 5
    assert len({y for _, y in found}) == 5


def test_others_have_names_where_there_is_room():
    drawing = draw_scatter([*MARKS, Mark("e4m4", "minifloat", 90, 96.0)], "a net", "LUT", "accuracy")
    assert re.findall(r'class="also mid">([^<]*)', drawing) == ["e4m3", "e5m2&lt;b&gt;", "e4m4"]
    crowd = [Mark(f"crowd{i}", "minifloat", 50 + i, 90.0) for i in range(20)]
    shown = re.findall(r'class="also mid">(crowd\d+)', draw_scatter([*MARKS, *crowd], "a net", "LUT", "accuracy"))
    assert 2 <= len(shown) < len(crowd)


def test_groups_that_have_no_room_beside_the_axis_go_above_and_cover_nothing():
    words = [f"a group with many words, number {i}" for i in range(6)]
    marks = [Mark(f"n{i}", kind, 10 + i, 90 + i) for i, kind in enumerate(words)]
    drawing = draw_scatter(marks, "t", "LUT", "test accuracy, %")
    places = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" class="note">(a group[^<]*)', drawing)
    spans = sorted((float(y), float(x), float(x) + 6 * len(told)) for x, y, told in places)
    assert len(spans) == 6 and len({y for y, _, _ in spans}) == 2
    assert all(start > 64 + 6 * len("test accuracy, %") for _, start, _ in spans)
    assert all(a[0] != b[0] or a[2] < b[1] for a, b in pairwise(spans))
