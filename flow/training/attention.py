"""nn.MultiheadAttention in operators that keep the batch first: torch's own forward puts the sequence there.

The same parameters in the same order of arithmetic; only what moves values differs. It stands in while torch.export
looks at the model, where queries, keys and values are one sequence and nothing is masked. Anything else goes through
torch's forward, whose nodes then say what is in the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["OTHERWISE", "batch_first_attention"]

# What is said of a layer that did not go this way.
OTHERWISE = "a MultiheadAttention has a form for one sequence as query, key and value, batch_first=True, and no mask"


_NAMES = ("query", "key", "value", "key_padding_mask", "need_weights", "attn_mask", "average_attn_weights", "is_causal")


def _plain(module: nn.MultiheadAttention, arguments: tuple[Any, ...], given: dict[str, Any]) -> bool:
    """Whether a call is unmasked self-attention, the batch first."""
    held = {**dict(zip(_NAMES, arguments, strict=False)), **given}
    one_sequence = held["query"] is held["key"] is held["value"]
    masked = any(held.get(name) is not None for name in ("key_padding_mask", "attn_mask")) or held.get("is_causal")
    extended = module.bias_k is not None or module.bias_v is not None or module.add_zero_attn
    whole = module.in_proj_weight is not None and module.batch_first and held["query"].ndim == 3
    return bool(one_sequence and whole and not masked and not extended)


def _attended(module: nn.MultiheadAttention, x: Tensor) -> Tensor:
    """float[B, T, E] -> same shape."""
    batch, length, size = x.shape
    heads = module.num_heads
    joined = functional.linear(x, module.in_proj_weight, module.in_proj_bias)
    split = joined.view(batch, length, 3, heads, size // heads).permute(0, 2, 3, 1, 4)
    mixed = functional.scaled_dot_product_attention(*split.unbind(1))
    rows = mixed.transpose(1, 2).reshape(batch, length, size)
    return functional.linear(rows, module.out_proj.weight, module.out_proj.bias)


@contextmanager
def batch_first_attention(model: nn.Module) -> Iterator[None]:
    """Within, self-attention of `model` keeps the batch first and returns no weights; torch's fused layers are off."""
    held = [module for module in model.modules() if type(module) is nn.MultiheadAttention]
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        for module in held:
            module.__dict__["forward"] = _forward(module)
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for module in held:
            del module.__dict__["forward"]


def _forward(module: nn.MultiheadAttention) -> Any:
    own = module.forward

    def forward(*arguments: Any, **given: Any) -> tuple[Tensor, Tensor | None]:
        if _plain(module, arguments, given):
            return _attended(module, arguments[0] if arguments else given["query"]), None
        result: tuple[Tensor, Tensor | None] = own(*arguments, **given)
        return result

    return forward
