"""Weight equalisation: both layers of a pair get equal weight ranges per channel (data-free quantisation, 1906.04721).

`s = sqrt(r1 / r2)` with r1, r2 the ranges of a channel in the producer and in the consumer; after it both are
`sqrt(r1 r2)`. The network computes the same function, up to the rounding of its floats.
"""

from __future__ import annotations

from flow.training.calls import Network
from flow.training.ptq.pairs import consumer_range, positive, producer_range, rescaled, scalable_pairs

__all__ = ["equalise"]


def equalise(network: Network, sweeps: int = 20) -> Network:
    """The network with equalised pairs.

    Args:
        network: float, BatchNorm folded or not: a Conv2d and its BatchNorm are a pair too.
        sweeps: passes over all pairs; neighbours share a layer, so one pass does not settle.
    """
    pairs = scalable_pairs(network)
    for _ in range(sweeps):
        for pair in pairs:
            ratio = producer_range(pair, network.state) / consumer_range(pair, network.state)
            network = rescaled(network, pair, positive(ratio.sqrt()))
    return network
