"""The MnasNet space with mutators: a base model with placeholders, and a mutator that fills each with a block.

After Tan et al., "MnasNet: Platform-Aware Neural Architecture Search for Mobile", CVPR 2019, made small enough for the
handwritten digits of scikit-learn: three blocks instead of seven. A second mutator is an evolution step that adds a
layer anywhere. The best network found is written to ``mnasnet_best.py``, a file that needs PyTorch and nothing else.
"""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

import retiarii.nn.pytorch as nn
from retiarii import basic_unit
from retiarii.graph import GraphEngine, InvalidMutation, Model, Mutator, check, convert_to_graph
from retiarii.nn.pytorch import Placeholder
from retiarii.strategy import RegularizedEvolution


@basic_unit
class RegularConv(nn.Module):
    """A plain convolution."""

    def __init__(self, in_ch: int, out_ch: int, kernel_size: int, stride: int, skip: bool, expansion: int) -> None:
        super().__init__()
        self.skip = skip and stride == 1 and in_ch == out_ch
        self.conv = nn.Conv2d(in_ch, out_ch, kernel_size, padding=kernel_size // 2, stride=stride, bias=False)
        self.bn = nn.BatchNorm2d(out_ch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the convolution, plus the input if there is a shortcut."""
        out = F.relu(self.bn(self.conv(x)))
        return out + x if self.skip else out


@basic_unit
class MobileConv(nn.Module):
    """An inverted bottleneck: expand, convolve each channel, project."""

    def __init__(self, in_ch: int, out_ch: int, kernel_size: int, stride: int, skip: bool, expansion: int) -> None:
        super().__init__()
        self.skip = skip and stride == 1 and in_ch == out_ch
        inner = in_ch * expansion
        self.layers = nn.Sequential(
            nn.Conv2d(in_ch, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, inner, kernel_size, stride, kernel_size // 2, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, out_ch, 1, bias=False),
            nn.BatchNorm2d(out_ch),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the bottleneck, plus the input if there is a shortcut."""
        out: torch.Tensor = self.layers(x)
        return out + x if self.skip else out


class MnasNet(nn.Module):
    """The base model: a stem, three places to fill, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        blocks = [
            Placeholder(
                f"block{index}",
                op_types=[RegularConv, MobileConv],
                kernel_sizes=[3, 5],
                layers=[1, 2, 3],
                skips=[True, False],
                widths=[width, width * 3 // 2],
                stride=stride,
                expansion=3,
            )
            for index, (width, stride) in enumerate([(8, 1), (16, 2), (24, 2)])
        ]
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Conv2d(24, 32, 1)
        self.dropout = nn.Dropout(nn.ValueChoice([0.0, 0.2], label="dropout"))  # inline choices work as well
        self.classifier = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of the ten digits."""
        x = self.blocks(F.relu(self.stem(x)))
        x = F.relu(self.head(x)).mean([2, 3])
        logits: torch.Tensor = self.classifier(self.dropout(x))
        return logits


class BlockMutator(Mutator):
    """Fills one placeholder with a stack of layers, and fits what comes after to its width."""

    def __init__(self, target: str) -> None:
        super().__init__(label=target)
        self.target = target

    def mutate(self, model: Model) -> None:
        """Choose type, kernel, shortcut, width and number of the layers of one block."""
        (node,) = model.get_nodes_by_label(self.target)
        info = dict(node.operation.parameters)
        op_type = self.choice(info["op_types"], label="type")
        width = self.choice(info["widths"], label="width")
        shared = {
            "kernel_size": self.choice(info["kernel_sizes"], label="kernel"),
            "skip": self.choice(info["skips"], label="skip"),
            "expansion": info["expansion"],
        }
        first = {"in_ch": width_before(node), "out_ch": width, "stride": info["stride"], **shared}
        node.update_operation(op_type, first)
        for number in range(1, self.choice(info["layers"], label="layers")):
            further = {"in_ch": width, "out_ch": width, "stride": 1, **shared}
            node = node.graph.insert_node_on_edge(node.outgoing_edges[0], f"{self.target}_{number}", op_type, further)
        model.get_node_by_name("head").operation.parameters["in_channels"] = width


def width_before(node):
    """Return the number of channels that reach a node."""
    before = node.predecessors[0]
    if before == node.graph.input_node:  # the first block comes after the stem
        return node.graph.model.get_node_by_name("stem").operation.parameters["out_channels"]
    return before.operation.parameters["out_ch"]


class AddLayer(Mutator):
    """One step of evolution: a further layer after any block, as the mutations of AmoebaNet-style searches add one."""

    def mutate(self, model: Model) -> None:
        """Choose a place and an activation. What there is to choose from depends on the blocks."""
        blocks = [*model.get_nodes_by_type(RegularConv), *model.get_nodes_by_type(MobileConv)]
        place = self.choice(blocks, label="after")
        activation = self.choice([nn.Identity, nn.Hardswish, nn.Tanh], label="activation")
        place.graph.insert_node_on_edge(place.outgoing_edges[0], "added", activation)


def accuracy(net: torch.nn.Module, epochs: int = 2) -> float:
    """Train a network on the digits for a moment, and return its accuracy on digits that it has not seen."""
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    net.train()
    for _ in range(epochs):
        for batch in torch.randperm(1200).split(100):
            optimizer.zero_grad()
            F.cross_entropy(net(images[batch]), labels[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        return float((net.eval()(images[1200:]).argmax(1) == labels[1200:]).float().mean())


torch.manual_seed(0)
example = torch.zeros(1, 1, 8, 8)
engine = GraphEngine(MnasNet(), [*(BlockMutator(f"block{i}") for i in range(3)), AddLayer()], example_input=example)
print(engine.space)
search = RegularizedEvolution(population_size=4, sample_size=2).search(engine.space, seed=0)
for number in range(6):
    (proposal,) = search.ask(1)
    result = None
    try:
        result = accuracy(engine.build(proposal.architecture))
    except InvalidMutation as err:  # found by its shapes, before any training
        print(f"trial {number}: invalid: {err}")
    else:
        print(f"trial {number}: accuracy {result:.3f}")
    search.tell_metric(proposal, result)

assert search.best is not None  # some trial was valid
architecture = search.best.architecture
best = engine.graph(architecture)
print("best:", dict(architecture))
print(f"{len(check(best, example))} operations; the base model was {convert_to_graph(MnasNet())}")
with open("mnasnet_best.py", "w") as file:
    file.write(engine.code(architecture))
print("written to mnasnet_best.py")
