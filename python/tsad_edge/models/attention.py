"""What the attention models have in common: where a sample stands, and one block that looks back over the past.

Owns positions and the block. Leaves embedding, readout and training to each model.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def positions(samples: int, width: int) -> Tensor:
    """Sines and cosines of falling frequency (samples, width): the fixed position encoding of Vaswani et al. (2017).

    Raises
    ------
    ValueError
        The width is odd: each frequency needs a sine and a cosine.

    Examples
    --------
    >>> positions(99, 16)[0, :4].tolist()
    [0.0, 1.0, 0.0, 1.0]
    """
    if width % 2:
        raise ValueError(f"train.hyper.width is {width}; it must be even, for a sine and a cosine of each frequency")
    # In float64, so that the last bit does not depend on which sine a processor has.
    at = torch.arange(samples, dtype=torch.float64)[:, None]
    angle = at * 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1).float()


class Block(nn.Module):
    """Causal self-attention and two dense layers, each normalised before and added to what came in.

    A layer of Vaswani et al., "Attention is all you need" (NeurIPS 2017), normalised before instead of after (Xiong et
    al., ICML 2020), which trains without a warm-up of the learning rate.

    Parameters
    ----------
    width, heads : int
        Features of a token, and heads they are shared out to.
    inner : int
        Units between the two dense layers.

    Raises
    ------
    ValueError
        `width` is no multiple of `heads`.

    Examples
    --------
    >>> block, tokens = Block(16, 2, 32), torch.randn(3, 9, 16)
    >>> tuple(block(tokens, newest=4).shape)
    (3, 4, 16)
    """

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"train.hyper.width is {width}; it must be a multiple of train.hyper.heads, {heads}")
        self.shape = (heads, width // heads)
        self.before = nn.LayerNorm(width)
        self.query, self.key, self.value, self.join = (nn.Linear(width, width) for _ in range(4))
        self.between = nn.LayerNorm(width)
        self.dense = nn.Sequential(nn.Linear(width, inner), nn.ReLU(), nn.Linear(inner, width))

    def forward(self, tokens: Tensor, newest: int) -> Tensor:
        """Tokens (B, T, width) -> states of the newest n (B, n, width), each made of its own and earlier tokens."""
        samples, normal = tokens.shape[1], self.before(tokens)
        query = self._heads(self.query(normal[:, -newest:]))  # (B, heads, n, width / heads)
        key, value = self._heads(self.key(normal)), self._heads(self.value(normal))  # (B, heads, T, width / heads)
        # The very newest may look at all: there is nothing to mask.
        seen = None if newest == 1 else torch.ones(newest, samples, dtype=torch.bool).tril(samples - newest)
        found = F.scaled_dot_product_attention(query, key, value, seen)
        states = tokens[:, -newest:] + self.join(found.transpose(1, 2).flatten(2))
        return states + self.dense(self.between(states))

    def _heads(self, x: Tensor) -> Tensor:
        return x.reshape(-1, x.shape[1], *self.shape).transpose(1, 2)
