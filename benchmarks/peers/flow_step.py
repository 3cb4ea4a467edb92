"""Float torch and flow itself."""

from __future__ import annotations

from steps import Build, network, serve
from torch import Tensor, nn

from flow.training import quantize

KINDS = {
    "flow, s8 by tensor": {},
    "flow, s8 by element": {"granularity": "element"},
    "flow, learned lengths": {"lengths": "learned"},
    "flow, e4m3": {"weights": "e4m3", "activations": "e4m3"},
}


def plain(case: str, x: Tensor) -> nn.Module:
    return network(case)


def quantised(options: dict[str, str]) -> Build:
    def build(case: str, x: Tensor) -> nn.Module:
        given = {"weights": "s8", "activations": "u8", "input": "s8", **options}
        return quantize(network(case).eval(), x, **given)

    return build


if __name__ == "__main__":
    serve({"float": plain, **{name: quantised(options) for name, options in KINDS.items()}})
