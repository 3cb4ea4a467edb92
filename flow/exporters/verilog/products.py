"""How the layers of a streaming design multiply: in logic, one product to a DSP, or as many as its wide port holds."""

from __future__ import annotations

from collections.abc import Mapping

from flow.errors import ExportError

__all__ = ["Dsp", "dsp_of", "dsp_parameters"]

Choice = bool | str  # see `_CHOICES`
Dsp = Choice | Mapping[str, Choice]  # for all nodes, or by name; in logic where a name is missing

# Parameters of flow_dense. The wide port of a DSP48E1 (7 series) has 25 bits, that of a DSP48E2 (UltraScale) 27.
_CHOICES = {
    False: {"UseDsp": 0},
    True: {"UseDsp": 1},
    "dsp48e1": {"UseDsp": 2, "DspWidth": 25},
    "dsp48e2": {"UseDsp": 2, "DspWidth": 27},
}


def dsp_of(dsp: Dsp, node: str) -> Choice:
    """How one node multiplies.

    >>> dsp_of({"fc1": True}, "fc1"), dsp_of({"fc1": True}, "fc2"), dsp_of("dsp48e2", "fc2")
    (True, False, 'dsp48e2')
    """
    return dsp.get(node, False) if isinstance(dsp, Mapping) else dsp


def dsp_parameters(dsp: Choice, *, packs: bool = True) -> dict[str, int]:
    """Parameters of a cell for a choice of `dsp`.

    Args:
        dsp: False, True, or the DSP that several products share.
        packs: whether the cell has lanes that share a factor, and the parameter DspWidth.

    Raises:
        ExportError: there is no such choice.

    >>> dsp_parameters("dsp48e2"), dsp_parameters("dsp48e2", packs=False)
    ({'UseDsp': 2, 'DspWidth': 27}, {'UseDsp': 1})
    """
    if dsp not in _CHOICES or type(dsp) is int:  # 1 is True
        raise ExportError(
            f"Option dsp of a streaming design is false, true, 'dsp48e1' or 'dsp48e2' (as many products to a DSP as "
            f"its port of 25 or 27 bits holds), not {dsp!r}."
        )
    found = dict(_CHOICES[dsp])
    return found if packs else {"UseDsp": min(found["UseDsp"], 1)}
