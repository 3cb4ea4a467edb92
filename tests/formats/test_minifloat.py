"""What the codes of a minifloat stand for: every split, every ending, from the definition in fractions."""

from fractions import Fraction

import numpy as np
import pytest

from flow.errors import FormatError
from flow.formats import FixedPoint, Minifloat, Specials

SPLITS = [(e, bits - 1 - e) for bits in range(3, 9) for e in range(bits)]


def defined(form: Minifloat, code: int) -> Fraction | str:
    """The value of a code, read off its fields; a word where it is no number."""
    text = bin(code)[2:].zfill(form.bits)
    sign, field, mantissa = text[: form.signed], text[form.signed : form.signed + form.exponent], text[-form.mantissa :]
    mantissa = mantissa if form.mantissa else ""
    ones = "0" not in field + mantissa
    if form.specials is Specials.IEEE and "0" not in field:
        return "nan" if "1" in mantissa else ("-inf" if sign == "1" else "inf")
    if form.specials is Specials.FN and ones:
        return "nan"
    if form.specials is Specials.FNUZ and text == "1" + "0" * (form.bits - 1):
        return "nan"
    exponent = int(field or "0", 2)
    fraction = Fraction(int(mantissa or "0", 2), 2**form.mantissa)
    value = (fraction + (exponent > 0)) * Fraction(2) ** (max(exponent, 1) - form.bias)
    return -value if sign == "1" else value


def legal(e: int, m: int) -> list[Specials]:
    """The endings that a split can have."""
    lost = set()
    if not (e and m):
        lost.add(Specials.IEEE)
    if (e, m) in {(2, 1), (2, 3), (3, 2)}:
        lost.add(Specials.FN)
    return [specials for specials in Specials if specials not in lost]


def every_form() -> list[Minifloat]:
    """Every split of 3..8 bits with every ending, the usual bias and three others."""
    forms = []
    for e, m in SPLITS:
        for specials in legal(e, m):
            standard = Minifloat.standard(e, m, specials)
            biases = (standard.bias, 0, -3, 2**e + 1)
            forms += [Minifloat(e, m, bias, specials) for bias in dict.fromkeys(biases)]
    return forms


def test_every_code_of_every_split():
    compared = 0
    for form in every_form():
        found = form.decode(np.arange(1 << form.bits))
        for code, value in enumerate(found):
            want = defined(form, code)
            if isinstance(want, str):
                assert str(value) == want
            else:
                assert Fraction(float(value)) == want == form.value(code)
                assert np.signbit(value) == bool(code & form.sign_code)
        compared += found.size
    assert compared == sum(1 << form.bits for form in every_form()) == 49_584


def test_the_text_form_parses_back():
    forms = [*every_form(), Minifloat.standard(5, 3, Specials.FN, signed=False), Minifloat.standard(8, 7)]
    assert len({str(form) for form in forms}) == len(forms)
    for form in forms:
        assert Minifloat.parse(str(form)) == form


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("e3m2", Minifloat(3, 2, 3)),
        ("e3m2b5", Minifloat(3, 2, 5)),
        ("e3m2b-4", Minifloat(3, 2, -4)),
        ("e4m3fn", Minifloat(4, 3, 7, Specials.FN)),
        ("e4m3b11fnuz", Minifloat(4, 3, 11, Specials.FNUZ)),
        ("e5m2ieee", Minifloat(5, 2, 15, Specials.IEEE)),
        ("ue5m3fn", Minifloat(5, 3, 15, Specials.FN, signed=False)),
        ("e2m1fn", Minifloat(2, 1, 1)),  # OCP's name for a format without NaN
        ("e0m4", Minifloat(0, 4, 0)),
    ],
)
def test_text(text: str, form: Minifloat):
    assert Minifloat.parse(text) == form


# name: largest number, smallest normal, smallest subnormal (OCP MX; minifloat.md A.1 for the formats without specials)
RANGES = {
    "e5m2ieee": (57344, Fraction(1, 2**14), Fraction(1, 2**16)),
    "e4m3fn": (448, Fraction(1, 2**6), Fraction(1, 2**9)),
    "e3m2": (28, Fraction(1, 4), Fraction(1, 16)),
    "e2m3": (Fraction(15, 2), 1, Fraction(1, 8)),
    "e2m1": (6, 1, Fraction(1, 2)),
    "ue5m3fn": (114688, Fraction(1, 2**14), Fraction(1, 2**17)),
    "e3m4": (31, Fraction(1, 4), Fraction(1, 64)),
    "e4m3": (480, Fraction(1, 2**6), Fraction(1, 2**9)),
    "e5m2": (114688, Fraction(1, 2**14), Fraction(1, 2**16)),
}


@pytest.mark.parametrize("text", RANGES)
def test_ranges(text: str):
    form = Minifloat.parse(text)
    assert (form.high, form.smallest_normal, form.step) == RANGES[text]


def test_an_e1_format_is_a_sign_magnitude_integer():
    """Code c of E1My is the integer c in steps, negative when the sign bit is set: no grid of its own."""
    compared = 0
    for mantissa in range(1, 7):
        form = Minifloat.standard(1, mantissa)
        codes = np.arange(1 << form.bits)
        magnitudes = codes % form.sign_code
        assert form.integers(codes).tolist() == np.where(codes < form.sign_code, magnitudes, -magnitudes).tolist()
        assert form.fixed_point == FixedPoint(mantissa + 2, mantissa - 1)
        compared += codes.size
    assert compared == 8 + 16 + 32 + 64 + 128 + 256


def test_positive_codes_rise_with_their_values():
    for form in every_form():
        assert (np.diff(form.decode(np.arange(form.highest_code + 1))) > 0).all()


# Magnitude bits in units of the smallest subnormal: 2**e + m - 1 (minifloat.md A.1).
@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("e1m4", 5),
        ("e2m1", 4),
        ("e2m2", 5),
        ("e2m3", 6),
        ("e3m1", 8),
        ("e3m2", 9),
        ("e3m3", 10),
        ("e3m4", 11),
        ("e4m2", 17),
        ("e4m3", 18),
        ("e5m2", 33),
    ],
)
def test_magnitude_bits(text: str, bits: int):
    form = Minifloat.parse(text)
    assert form.highest_integer.bit_length() == bits == 2**form.exponent + form.mantissa - 1
    assert form.fixed_point.width == bits + 1


def test_integers_wider_than_62_bits_are_objects():
    form = Minifloat.standard(7, 0)
    assert form.integers(np.array([form.highest_code])).tolist() == [2**126]
    assert Minifloat.parse("e3m2").integers(np.array([1])).dtype == np.int64


BAD = [
    ("e3", "A minifloat is written like e3m2, e4m3fn, e4m3b11fnuz or ue5m3fn, not 'e3'."),
    ("e9m2", "A minifloat has 0..8 exponent bits and at least 0 mantissa bits, not 9 and 2."),
    ("e0m0", "Exponent and mantissa of a minifloat must have 1..15 bits together, not 0 + 0."),
    ("e8m8", "Exponent and mantissa of a minifloat must have 1..15 bits together, not 8 + 8."),
    ("e3m2b-257", "The bias of a minifloat must lie in -256..256, not -257."),
    ("e0m3ieee", "IEEE specials need an exponent bit and a mantissa bit, which e0m3 lacks; use another."),
    ("ue4m3fnuz", "FNUZ puts its NaN at minus zero, which unsigned ue4m3 lacks; use FN."),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_format_that_cannot_be(text: str, message: str):
    with pytest.raises(FormatError) as caught:
        Minifloat.parse(text)
    assert str(caught.value) == message


def test_a_second_meaning_of_an_ocp_name_is_refused():
    with pytest.raises(FormatError) as caught:
        Minifloat.standard(2, 1, Specials.FN)
    assert str(caught.value) == "OCP's e2m1fn has no NaN, so FN cannot mean one; use NONE."


@pytest.mark.parametrize("code", [-1, 16])
def test_a_code_beyond_the_last_is_refused(code: int):
    with pytest.raises(FormatError) as caught:
        Minifloat.parse("e2m1").decode(np.array([3, code]))
    assert str(caught.value) == f"A code of e2m1 must lie in 0..15, not {code}."


def test_a_special_code_is_no_integer():
    with pytest.raises(FormatError) as caught:
        Minifloat.parse("e4m3fn").integers(np.array([3, 127]))
    assert str(caught.value) == ("Only numbers are multiples of a step, but code 0x7f of e4m3fn is none; replace it.")
