"""Search spaces around the convolutional model families: inline choices of every kind, at tiny widths."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from graph_models import ConvBNReLU, SqueezeExcitation, StochasticDepth, images

import retiarii.nn.pytorch as nn


class ResidualBlock(nn.Module):
    """A residual block with a chosen kernel; the first of a stage halves the image."""

    def __init__(self, inp, oup, stride, name):
        super().__init__()
        kernel = nn.ValueChoice([3, 5], label=f"{name}.kernel")
        self.conv1 = nn.Conv2d(inp, oup, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(oup)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(oup, oup, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(oup)
        self.downsample = None
        if stride != 1 or inp is not oup:
            candidates = {
                "conv": nn.Sequential(nn.Conv2d(inp, oup, 1, stride, bias=False), nn.BatchNorm2d(oup)),
                "pool": nn.Sequential(nn.AvgPool2d(stride), nn.Conv2d(inp, oup, 1, bias=False)),
            }
            self.downsample = nn.LayerChoice(candidates, label=f"{name}.downsample")

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


@nn.model_wrapper
class ResNetSpace(nn.Module):
    """Depth, width, kernels and shortcuts are chosen; the constructor has an initialisation of its own."""

    def __init__(self, num_classes=10):
        super().__init__()
        inp = width = nn.ValueChoice([4, 8], label="width")
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width))
        stages = []
        for stage in range(2):
            oup = width * 2**stage
            stages.append(nn.Repeat(partial(self._block, inp, oup, stage), (1, 3), label=f"depth{stage}"))
            inp = oup
        self.layers = nn.Sequential(*stages)
        self.fc = nn.Linear(inp, num_classes)
        for module in self.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.constant_(module.weight, 0.5)

    @staticmethod
    def _block(inp, oup, stage, index):
        first = index == 0
        return ResidualBlock(inp if first else oup, oup, stage + 1 if first else 1, f"layer{stage}.{index}")

    def forward(self, x):
        x = self.layers(F.relu(self.stem(x)))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class InvertedResidualSpace(nn.Module):
    def __init__(self, inp, oup, stride, name):
        super().__init__()
        self.use_res_connect = stride == 1 and inp == oup
        hidden = nn.ValueChoice([1, 2, 3], label=f"{name}.expand") * inp
        kernel = nn.ValueChoice([3, 5, 7], label=f"{name}.kernel")
        self.conv = nn.Sequential(
            ConvBNReLU(inp, hidden, kernel_size=1),
            ConvBNReLU(hidden, hidden, kernel, stride, groups=hidden),
            nn.Conv2d(hidden, oup, 1, bias=False),
            nn.BatchNorm2d(oup),
        )

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2Space(nn.Module):
    """As in ProxylessNAS: a block or none at all, with a chosen kernel and expansion."""

    def __init__(self, num_classes=10):
        super().__init__()
        features = [ConvBNReLU(3, 4, stride=2)]
        inp = 4
        for stage, oup in enumerate((4, 6)):
            features.append(InvertedResidualSpace(inp, oup, 1 + stage, f"{stage}.0"))
            block = InvertedResidualSpace(oup, oup, 1, f"{stage}.1")
            features.append(nn.LayerChoice({"block": block, "skip": nn.Identity()}, label=f"{stage}.1"))
            inp = oup
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(
            nn.Dropout(nn.ValueChoice([0.0, 0.2], label="dropout")), nn.Linear(inp, num_classes)
        )

    def forward(self, x):
        x = self.features(x)
        return self.classifier(F.adaptive_avg_pool2d(x, 1).reshape(x.shape[0], -1))


class MobileNetV3BlockSpace(nn.Module):
    def __init__(self, inp, hidden, oup, stride, name):
        super().__init__()
        kernel = nn.ValueChoice([3, 5], label=f"{name}.kernel")
        self.expand = ConvBNReLU(inp, hidden, 1)
        self.depthwise = nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False)
        self.norm = nn.BatchNorm2d(hidden, eps=0.001, momentum=nn.ValueChoice([0.1, 0.01], label="momentum"))
        self.act = nn.LayerChoice([nn.ReLU(), nn.Hardswish()], label="act")
        self.se = nn.LayerChoice(
            {"se": SqueezeExcitation(hidden, hidden // 2, scale_activation=nn.Hardsigmoid), "none": nn.Identity()},
            label=f"{name}.se",
        )
        self.project = nn.Sequential(nn.Conv2d(hidden, oup, 1, bias=False), nn.BatchNorm2d(oup))
        self.use_res = stride == 1 and inp == oup

    def forward(self, x):
        result = self.project(self.se(self.act(self.norm(self.depthwise(self.expand(x))))))
        if self.use_res:
            result += x
        return result


class MobileNetV3Space(nn.Module):
    """Squeeze-and-excitation, activation, kernel and width are chosen; one activation for all blocks."""

    def __init__(self, num_classes=10):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.Hardswish())
        self.blocks = nn.ModuleList(
            [
                MobileNetV3BlockSpace(4, nn.ValueChoice([4, 8], label="hidden"), 4, 1, "a"),
                MobileNetV3BlockSpace(4, 8, 6, 2, "b"),
            ]
        )
        self.classifier = nn.Sequential(nn.Linear(6, 8), nn.Hardswish(), nn.Linear(8, num_classes))

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(x.mean((2, 3)))


class DenseLayerSpace(nn.Module):
    def __init__(self, num_input, growth):
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input)
        self.conv1 = nn.Conv2d(num_input, growth * 2, 1, bias=False)
        self.conv2 = nn.Conv2d(growth * 2, growth, 3, padding=1, bias=False)

    def forward(self, inputs):
        return self.conv2(F.relu(self.conv1(F.relu(self.norm(torch.cat(inputs, 1))))))


class DenseBlockSpace(nn.ModuleDict):
    def __init__(self, num_layers, num_input, growth):
        super().__init__()
        for i in range(num_layers):
            self.add_module(f"denselayer{i + 1}", DenseLayerSpace(num_input + i * growth, growth))

    def forward(self, init_features):
        features = [init_features]
        for _, layer in self.items():
            features.append(layer(features))
        return torch.cat(features, 1)


class DenseNetSpace(nn.Module):
    """Growth, compression and the kind of pooling are chosen; sizes are computed from the choices."""

    def __init__(self, num_classes=10):
        super().__init__()
        growth = nn.ValueChoice([2, 4], label="growth")
        self.conv0 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.block1 = DenseBlockSpace(2, 4, growth)
        channels = 4 + 2 * growth
        compressed = nn.ValueChoice.to_int(channels * nn.ValueChoice([0.5, 1.0], label="compression"))
        self.transition = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, compressed, 1),
            nn.LayerChoice({"avg": nn.AvgPool2d(2), "max": nn.MaxPool2d(2)}, label="pool"),
        )
        self.block2 = DenseBlockSpace(2, compressed, growth)
        self.norm = nn.BatchNorm2d(compressed + 2 * growth)
        self.classifier = nn.Linear(compressed + 2 * growth, num_classes)

    def forward(self, x):
        x = self.block2(self.transition(self.block1(self.conv0(x))))
        return self.classifier(F.relu(self.norm(x)).mean((2, 3)))


class MBConvSpace(nn.Module):
    def __init__(self, inp, oup, stride, name):
        super().__init__()
        kernel = nn.ValueChoice([3, 5], label=f"{name}.kernel")
        hidden = inp * nn.ValueChoice([1, 2], label=f"{name}.expand")
        self.use_res_connect = stride == 1 and inp is oup
        self.block = nn.Sequential(
            nn.Conv2d(inp, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.SiLU(inplace=True),
            nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False),
            SqueezeExcitation(hidden, 2, activation=partial(nn.SiLU, inplace=True)),
            nn.Conv2d(hidden, oup, 1, bias=False),
            nn.BatchNorm2d(oup),
        )
        self.stochastic_depth = StochasticDepth(nn.ValueChoice([0.0, 0.5], label="stochastic_depth"))

    def forward(self, x):
        result = self.block(x)
        if self.use_res_connect:
            result = self.stochastic_depth(result)
            result += x
        return result


class EfficientNetSpace(nn.Module):
    """Width by arithmetic, depth by repetition, and a choice that is an argument of a basic unit."""

    def __init__(self, num_classes=10):
        super().__init__()
        stem = nn.ValueChoice([4, 8], label="stem")
        head = nn.ValueChoice.condition(stem > 4, 12, 8)
        self.stem = nn.Sequential(nn.Conv2d(3, stem, 3, 2, 1, bias=False), nn.BatchNorm2d(stem), nn.SiLU(inplace=True))
        self.body = nn.Repeat(
            lambda index: MBConvSpace(stem if index == 0 else head, head, 2 if index == 0 else 1, f"mb{index}"),
            (1, 3),
            label="depth",
        )
        self.classifier = nn.Sequential(nn.Dropout(p=0.2, inplace=True), nn.Linear(head, num_classes))

    def forward(self, x):
        return self.classifier(self.body(self.stem(x)).mean((2, 3)).flatten(1))


CONVOLUTIONAL_SPACES = {
    "resnet": (ResNetSpace, images),
    "mobilenet_v2": (MobileNetV2Space, images),
    "mobilenet_v3": (MobileNetV3Space, images),
    "densenet": (DenseNetSpace, images),
    "efficientnet": (EfficientNetSpace, images),
}
