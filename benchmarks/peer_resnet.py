"""The network of `cxrlib.model.resnet` at depth 18, in PyTorch. Its training step is compared with ours."""

import torch
from torch import nn


def activate(channels: int) -> nn.Sequential:
    """Return batch normalisation and a rectifier."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Return a convolution without bias. Stride 1 keeps the side of the image, stride 2 halves it."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class Block(nn.Module):
    """A pre-activation block of two 3x3 convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.before = activate(inputs)
        self.first = nn.Sequential(conv(inputs, outputs, 3, stride), activate(outputs))
        self.second = conv(outputs, outputs, 3)
        self.shortcut = conv(inputs, outputs, 1, stride) if stride != 1 or inputs != outputs else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output."""
        active = self.before(x)
        return (self.shortcut(active) if self.shortcut else x) + self.second(self.first(active))


class ResNet18(nn.Module):
    """A ResNet-18 that maps images (N, 1, H, W) to logits (N, 1)."""

    def __init__(self, width: int):
        super().__init__()
        stages, inputs = [conv(1, width, 7, 2), nn.MaxPool2d(3, 2, 1)], width
        for stage in range(4):
            for stride in (2 if stage else 1, 1):
                stages.append(Block(inputs, width * 2**stage, stride))
                inputs = width * 2**stage
        self.body = nn.Sequential(*stages, activate(inputs), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(inputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logit."""
        return self.head(self.body(x))
