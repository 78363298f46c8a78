"""Networks in the shapes of the AII4.0 reference pipeline, untrained: what the compiler makes of them is measured.

They are not our models: tsad_edge/models has those. What they get wrong is kept on purpose.
"""

from __future__ import annotations

import torch
from torch import nn


class ReferenceGan(nn.Module):
    """The reference's GAN, by default on NASA-MSL: window 100, one channel, of which the last sample is the target.

    Generator 99-128-128-128-99 and discriminator 99-128-128-128-1. ``LeakyReLU(True)`` has slope 1, so each half is
    affine up to its sigmoid: 103,680 multiply-adds are worth 9,900.
    """

    def __init__(self, window: int = 100, hidden: int = 128, channels: int = 1) -> None:
        super().__init__()
        inner = (window - 1) * channels
        self.generator = self._half(inner, hidden, inner)
        self.discriminator = self._half(inner, hidden, 1)

    @staticmethod
    def _half(inner: int, hidden: int, outer: int) -> nn.Sequential:
        sizes = [inner, hidden, hidden, hidden, outer]
        layers: list[nn.Module] = []
        for a, b in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(a, b), nn.LeakyReLU(float(True))]
        return nn.Sequential(*layers[:-1], nn.Sigmoid())

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """Score (B,) of windows (B, W, C): how real the generated window looks."""
        past = window[:, :-1].flatten(1)  # (B, (W - 1) C)
        score: torch.Tensor = self.discriminator(self.generator(past)).squeeze(1)
        return score


class ReferenceVae(nn.Module):
    """The reference's VAE at scoring, its noise at 0: the branch that gives the noise its size computes nothing.

    Encoder (W - 1) C - hidden - code, decoder code - hidden - C.
    """

    def __init__(self, window: int = 100, channels: int = 38, hidden: int = 128, code: int = 64) -> None:
        super().__init__()
        self.hidden = nn.Linear((window - 1) * channels, hidden)
        self.mean, self.spread = nn.Linear(hidden, code), nn.Linear(hidden, code)
        self.decoder = nn.Sequential(nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid())

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """Score (B,) of windows (B, W, C): squared error of the last sample."""
        hidden = self.hidden(window[:, :-1].flatten(1)).relu()
        mean, sigma = self.mean(hidden), self.spread(hidden).exp()
        code = mean + sigma * torch.randn_like(mean) if self.training else mean
        return ((self.decoder(code) - window[:, -1]) ** 2).mean(1)


class ReferenceLstm(nn.Module):
    """The reference's LSTM: two layers of 256, forecast of the last sample: 78 million multiply-adds."""

    def __init__(self, channels: int = 1, hidden: int = 256, layers: int = 2) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, hidden, layers, batch_first=True)
        self.output = nn.Linear(hidden, channels)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """Score (B,) of windows (B, W, C): squared error of the last sample."""
        forecast = self.output(self.lstm(window[:, :-1])[0][:, -1])
        return ((forecast - window[:, -1]) ** 2).mean(1)


class ReferenceTransformer(nn.Module):
    """The reference's Transformer: two encoder layers as wide as a sample, PyTorch's 2048 units between."""

    def __init__(self, channels: int = 38, layers: int = 2) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(channels, 1, 2048, 0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.output = nn.Linear(channels, channels)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """Score (B,) of windows (B, W, C): squared error of the last sample."""
        forecast = self.output(self.encoder(window[:, :-1])[:, -1])
        return ((forecast - window[:, -1]) ** 2).mean(1)


class ReferenceTranad(nn.Module):
    """The reference's TranAD on SMD: one head as wide as samples and focus together, two layers each way.

    The target is the last sample, and it is shown to the decoders. 20.8 million multiply-adds.
    """

    def __init__(self, channels: int = 38, hidden: int = 15, layers: int = 2) -> None:
        super().__init__()
        kinds, width = (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer), 2 * channels
        coder, *others = (kind(width, 1, hidden, 0.0, batch_first=True) for kind in (kinds[0], kinds[1], kinds[1]))
        self.encoder = nn.TransformerEncoder(coder, layers, enable_nested_tensor=False)
        self.decoders = nn.ModuleList(nn.TransformerDecoder(other, layers) for other in others)
        self.output = nn.Sequential(nn.Linear(width, channels), nn.Sigmoid())

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """Score (B,) of windows (B, W, C): squared error of the second phase."""
        past, target = window[:, :-1], window[:, -1:]
        focus = torch.zeros_like(past)
        for decoder in self.decoders:
            memory = self.encoder(torch.cat([past, focus], 2))
            forecast = self.output(decoder(target.repeat(1, 1, 2), memory))
            focus = (forecast - past) ** 2
        return ((forecast - target) ** 2).mean((1, 2))
