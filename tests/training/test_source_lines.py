"""Refusals name the line of the user's source, and never a path of the machine."""

import importlib.util
import re
import textwrap

import pytest
import torch
from torch import nn

from flow.errors import DataError, UnsupportedError
from flow.training import quantize
from flow.training.aten import SUPPORTED
from flow.training.source_lines import line_of_error, line_of_trace
from tests.training.models import example

SOURCE = """
    import torch
    from torch import nn

    class Inner(nn.Module):
        def forward(self, x):
            return torch.cumsum(
                x, 1)

    class Listed(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.inner, self.act = nn.Linear(4, 4), Inner(), nn.Softshrink()

        def forward(self, x):
            x = self.act(self.fc(x))
            x = self.inner(x)
            return x**3

    class Branch(Listed):
        def forward(self, x):
            x = self.fc(x)
            if x.sum() > 0:
                return x
            return -x

    class Item(Listed):
        def forward(self, x):
            return self.fc(x)[:, : int(x.abs().sum().clamp(1, 4))]

    class Numpy(Listed):
        def forward(self, x):
            return torch.from_numpy(self.fc(x).detach().numpy())

    class Mistaken(Listed):
        def forward(self, x):
            return self.fc(x, 3)
"""
GUARD = "Could not guard on data-dependent expression"


def lines(listed):
    return f"Listed uses what has no fixed-point form: {listed}; supported are {SUPPORTED}."


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A model of the file `nets/net.py`, by the name of its class; the working directory is the parent of `nets`."""
    path = tmp_path / "nets" / "net.py"
    path.parent.mkdir()
    path.write_text(textwrap.dedent(SOURCE))
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("net", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda name: getattr(module, name)()


def said(kind, model):
    with pytest.raises(kind) as caught:
        quantize(model, example((4,)))
    return str(caught.value)


def test_every_refused_operator_comes_with_its_line(made):
    assert said(UnsupportedError, made("Listed")) == lines(
        "aten.softshrink.default in 'act' at `nets/net.py:16: x = self.act(self.fc(x))`; "
        "aten.cumsum.default in 'inner' at `nets/net.py:7: return torch.cumsum(`; "
        "aten.pow.Tensor_Scalar in the model's own forward at `nets/net.py:18: return x**3`"
    )


def test_a_file_elsewhere_is_shown_by_its_name(made, tmp_path, monkeypatch):
    other = tmp_path / "elsewhere"
    other.mkdir()
    monkeypatch.chdir(other)
    message = said(UnsupportedError, made("Listed"))
    assert "at `net.py:7: return torch.cumsum(`" in message
    assert str(tmp_path) not in message


@pytest.mark.parametrize(
    ("name", "place", "reason"),
    [
        ("Branch", "nets/net.py:23: if x.sum() > 0:", f"{GUARD} Eq(u0, 1)"),
        ("Item", "nets/net.py:29: return self.fc(x)[:, : int(x.abs().sum().clamp(1, 4))]", f"{GUARD} zuf0"),
        (
            "Numpy",
            "nets/net.py:33: return torch.from_numpy(self.fc(x).detach().numpy())",
            ".numpy() is not supported for tensor subclasses",
        ),
    ],
)
def test_what_export_cannot_follow_comes_with_its_line_and_nothing_else_is_printed(made, capfd, name, place, reason):
    assert said(UnsupportedError, made(name)) == (
        f"torch.export cannot follow {name} at `{place}`: {reason}; make its forward free of branches on data."
    )
    assert capfd.readouterr() == ("", "")


def test_a_mistake_in_the_forward_comes_with_its_line(made):
    assert said(DataError, made("Mistaken")) == (
        "The model does not take an example [16, 4] at `nets/net.py:37: return self.fc(x, 3)`: Linear.forward() takes "
        "2 positional arguments but 3 were given."
    )


def test_layers_of_torch_have_no_line_of_the_users():
    message = said(UnsupportedError, nn.Sequential(nn.Linear(4, 4), nn.Softshrink()))
    assert message.startswith("Sequential uses what has no fixed-point form: aten.softshrink.default in '1'; supported")


def test_lines_of_nothing():
    assert line_of_trace(None) == line_of_trace("") == ""
    assert line_of_trace('File "<string>", line 1, in <module>') == ""
    assert line_of_trace('File "/far/away/a.py", line 3, in forward') == " at `a.py:3`"
    assert line_of_error(ValueError("never raised")) == ""


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_refused(dtype):
    with pytest.raises(DataError) as caught:
        quantize(nn.Linear(4, 2), example((4,)).to(dtype))
    assert str(caught.value) == (
        "The example must be a float32 or float64 tensor [B, ...] with B >= 1, or int64 for embeddings, not "
        f"{dtype} [16, 4]."
    )
    with pytest.raises(DataError) as caught:
        quantize(nn.Sequential(nn.Linear(4, 2).to(dtype)), example((4,)))
    assert str(caught.value) == (
        "Model and example must both be torch.float32 or both torch.float64, but parameter '0.weight' of the model is "
        f"{dtype} and the example torch.float32; convert both with .float()."
    )


def test_two_precisions_are_refused():
    message = "but buffer '1.running_mean' of the model is torch.float64 and the example torch.float32; convert both"
    with pytest.raises(DataError, match=re.escape(message)):
        quantize(nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2, affine=False).double()), example((4,)))


def test_two_devices_are_refused():
    """The device `meta` is another one on every machine."""
    with pytest.raises(DataError) as caught:
        quantize(nn.Sequential(nn.Linear(4, 2, device="meta")), example((4,)))
    assert str(caught.value) == (
        "Model and example must be on one device, but parameter '0.weight' of the model is on meta and the example on "
        "cpu; move one of them with .to()."
    )
