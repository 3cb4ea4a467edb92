import pytest

from flow.errors import FormatError
from flow.formats import parse_format


@pytest.mark.parametrize(
    "text",
    [
        "s8.4",
        "u6.-2",
        "e3m2",
        "e4m3b11fnuz",
        "ue5m3fn",
        "mxe2m1b32",
        "mxs8.6b32",
        "nve2m1b16",
        "bke2m1b16xue5m3fn",
        "dfp16",
        "dfp16h2",
        "k2s8.4",
        "k1s8.4naf",
        "p4a0.8",
    ],
)
def test_every_family_parses_back(text: str):
    assert str(parse_format(text)) == text


def test_an_unknown_family_is_refused():
    with pytest.raises(FormatError) as caught:
        parse_format("float8")
    assert str(caught.value) == (
        "A format is written like s8.4, e4m3fn, mxe2m1b32, nve2m1b16, dfp16h2, k2s8.4naf or p4a0.8, not 'float8'."
    )


def test_a_family_says_how_it_is_written():
    with pytest.raises(FormatError) as caught:
        parse_format("s8")
    assert str(caught.value) == "A fixed-point format is written like s8.4 or u6.-2, not 's8'."
