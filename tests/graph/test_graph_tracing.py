"""Code that tracing accepts, and code that it refuses, with the place and the remedy."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import retiarii.nn.pytorch as nn
from retiarii.errors import GraphError
from retiarii.graph import Kind, build_module, convert_to_graph, export_code
from retiarii.testing.networks import executed


class Branching(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x
        return -x


class Around(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x) + 1


def test_a_branch_on_values_names_module_line_and_way_out():
    with pytest.raises(GraphError, match=r"module 'inner' \(class Branching\)") as caught:
        convert_to_graph(Around(Branching()))
    message = str(caught.value)
    assert "test_graph_tracing.py" in message
    assert "if x.sum() > 0:" in message
    assert "@basic_unit" in message
    assert caught.value.node == "inner"


def test_a_branch_on_training_is_refused_instead_of_frozen():
    class Drop(nn.Module):
        def forward(self, x):
            return x * 2 if self.training else x

    with pytest.raises(GraphError, match=r"self\.training"):
        convert_to_graph(Drop())
    assert "training" in vars(torch.nn.Linear(1, 1))  # torch is as it was


def test_training_as_an_argument_stays_an_operation():
    class Drop(nn.Module):
        def forward(self, x):
            return F.dropout(x, 0.5, self.training)

    generated = build_module(convert_to_graph(Drop()))
    x = torch.ones(64)
    assert torch.equal(generated.eval()(x), x)
    assert not torch.equal(generated.train()(x), x)


def test_random_numbers_are_drawn_anew_in_every_call():
    class Noise(nn.Module):
        def forward(self, x):
            return x + torch.rand(3)

    generated = build_module(convert_to_graph(Noise()))
    assert not torch.equal(generated(torch.zeros(3)), generated(torch.zeros(3)))


def test_star_args_and_unregistered_modules_are_refused():
    class Star(nn.Module):
        def forward(self, *xs):
            return xs[0]

    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(2, 2)]

        def forward(self, x):
            return self.layers[0](x)

    with pytest.raises(GraphError, match=r"Star.forward takes \*xs"):
        convert_to_graph(Star())
    with pytest.raises(GraphError, match="ModuleList"):
        convert_to_graph(Hidden())


def test_a_tensor_kept_in_an_attribute_is_refused():
    class Inner(nn.Module):
        def forward(self, x):
            return x + self.kept

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Inner()

        def forward(self, x):
            self.inner.kept = x * 2
            return self.inner(x)

    with pytest.raises(GraphError, match="sets the attribute 'kept' of a Inner"):
        convert_to_graph(Outer())


def test_a_tensor_kept_in_an_object_is_refused():
    class Box:
        kept = None

    class Inner(nn.Module):
        def __init__(self, box):
            super().__init__()
            self.box = box

        def forward(self, x):
            return x + self.box.kept

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.box = Box()
            self.inner = Inner(self.box)

        def forward(self, x):
            self.box.kept = x * 2
            return self.inner(x)

    net = Outer()
    with pytest.raises(GraphError, match="not given as an argument"):
        convert_to_graph(net)
    assert net.box.kept is None


def test_tuples_dicts_and_several_inputs():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(3, 3)

        def forward(self, x, *, scale):
            y = self.a(x)
            return {"sum": x + y, "parts": (y * scale, [x])}

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.pair = Pair()

        def forward(self, x, y, bias=1.0):
            out = self.pair(x, scale=y)
            first, (second,) = out["parts"]
            return out["sum"] - first, second + bias

    net = Outer()
    generated = build_module(convert_to_graph(net))
    x, y = torch.randn(2, 3), torch.randn(2, 3)
    for ours, theirs in zip(generated(x, y), net(x, y), strict=True):
        assert torch.equal(ours, theirs)


def test_containers_idle_modules_aliases_and_ties_keep_their_names():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(5, 4)
            self.blocks = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
            self.lists = nn.ModuleList([nn.ModuleList([nn.Linear(4, 4)])])
            self.params = nn.ParameterList([nn.Parameter(torch.ones(4)), nn.Parameter(torch.randn(4))])
            self.unused = nn.Linear(2, 2)
            self.head = nn.Linear(4, 5, bias=False)
            self.head.weight = self.embed.weight
            self.same = self.blocks["a"]

        def forward(self, t):
            x = self.embed(t)
            x = self.blocks["a"](x) + self.blocks["b"](x) + self.same(x)
            x = self.lists[0][0](x) * self.params[0] + self.params[1]
            return self.head(x)

    net = Tied()
    x = torch.tensor([[0, 1, 4]])
    model = convert_to_graph(net)
    for built in (build_module(model), executed(export_code(model), "Tied")):
        built.load_state_dict(net.state_dict())
        assert list(built.state_dict()) == list(net.state_dict())
        assert built.head.weight is built.embed.weight
        assert built.same is built.blocks["a"]
        assert len(list(built.parameters())) == len(list(net.parameters()))
        assert torch.equal(built(x), net(x))


def test_plain_torch_layers_are_read_from_their_attributes():
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, (3, 1), stride=2, padding=(1, 0), bias=False),
        torch.nn.PReLU(4),
        torch.nn.GroupNorm(2, 4, eps=1e-3),
        torch.nn.MaxPool2d(2, ceil_mode=True),
        torch.nn.Flatten(),
        torch.nn.LazyLinear(6) if False else torch.nn.Linear(4 * 4 * 2, 6),
    )

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = layers

        def forward(self, x):
            return self.layers(x)

    net = Plain()
    x = torch.randn(1, 3, 16, 8)
    rebuilt = executed(export_code(convert_to_graph(net)), "Plain")
    rebuilt.load_state_dict(net.state_dict())
    assert torch.equal(rebuilt(x), net(x))
    parameters = convert_to_graph(net).get_node_by_name("layers.0").operation.parameters
    assert parameters["kernel_size"] == (3, 1)
    assert parameters["stride"] == 2


def test_attention_called_with_keywords_and_one_tensor_three_times():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.attn = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            y, _ = self.attn(x, x, x, need_weights=False)
            return y

    net = Net().eval()
    x = torch.randn(2, 5, 8)
    assert torch.equal(build_module(convert_to_graph(net)).eval()(x), net(x))


def test_choices_are_single_nodes_with_their_labels():
    class Space(nn.Module):
        def __init__(self):
            super().__init__()
            self.op = nn.LayerChoice([nn.Linear(2, 2), nn.Identity()], label="op")
            self.pick = nn.InputChoice(n_candidates=2, n_chosen=1, label="pick")

        def forward(self, x):
            return self.pick([x, self.op(x)])

    model = convert_to_graph(Space())
    (node,) = model.get_nodes_by_label("op")
    assert node.operation.kind is Kind.CHOICE
    (pick,) = model.get_nodes_by_label("pick")
    assert len(pick.incoming_edges) == 2
    with pytest.raises(GraphError, match="'op' is a LayerChoice that is not fixed"):
        build_module(model)


def test_a_module_that_is_called_twice_in_different_ways_is_refused():
    class Sometimes(nn.Module):
        def forward(self, x, flip):
            return -x if flip else x

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Sometimes()

        def forward(self, x):
            return self.inner(x, True) + self.inner(x, False)

    with pytest.raises(GraphError, match="called several times, and its calls differ"):
        convert_to_graph(Outer())


def test_a_second_name_before_other_layers_is_no_difference_to_the_model():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Linear(3, 3)
            self.backbone = self.encoder
            self.head = nn.Linear(3, 2)

        def forward(self, x):
            return self.head(self.encoder(x))

    net, x = Named(), torch.randn(2, 3)
    built = build_module(convert_to_graph(net, x))
    assert built.backbone is built.encoder
    assert torch.equal(built(x), net(x))
