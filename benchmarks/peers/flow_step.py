"""Float torch, fake quantisation written by hand in plain torch, and flow itself."""

from __future__ import annotations

import torch
from steps import Build, network, serve
from torch import Tensor, nn
from torch.nn.utils import parametrize

from flow.training import quantize

KINDS = {
    "flow, s8 by tensor": {},
    "flow, s8 by element": {"granularity": "element"},
    "flow, learned lengths by tensor": {"lengths": "learned"},
    "flow, learned lengths by element": {"lengths": "learned", "granularity": "element"},
    "flow, e4m3": {"weights": "e4m3", "activations": "e4m3"},
}


def plain(case: str, x: Tensor) -> nn.Module:
    return network(case)


class Rounded(nn.Module):
    """Eight bits with a fixed scale and a straight-through gradient, in the four lines that everybody writes first."""

    def forward(self, x: Tensor) -> Tensor:
        codes = torch.clamp(torch.round(x * 64), -128, 127)
        return x + (codes / 64 - x).detach()


def by_hand(case: str, x: Tensor) -> nn.Module:
    """Weights of every layer and results of every ReLU rounded; BatchNorm and sums stay float."""
    model = network(case)
    for module in list(model.modules()):
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            parametrize.register_parametrization(module, "weight", Rounded())
        elif isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda module, given, result: Rounded()(result))
    return model


def quantised(options: dict[str, str]) -> Build:
    def build(case: str, x: Tensor) -> nn.Module:
        given = {"weights": "s8", "activations": "u8", "input": "s8", **options}
        return quantize(network(case).eval(), x, **given)

    return build


if __name__ == "__main__":
    serve({"float": plain, "by hand, s8": by_hand, **{name: quantised(options) for name, options in KINDS.items()}})
