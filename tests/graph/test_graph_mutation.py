"""Reading and changing graphs: handles, edges, forks, and what is refused."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from graph_models import ResNet, images, randomized

import retiarii.nn.pytorch as nn
from retiarii.errors import GraphError, InvalidMutation
from retiarii.graph import Input, Inputs, build_module, convert_to_graph, model_from_json, model_to_json


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.left = nn.Conv2d(4, 4, 1)
        self.right = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU())
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        x = F.relu(self.conv(x))
        x = torch.cat([self.left(x), self.right(x)], dim=1)
        return self.fc(x.mean((2, 3)))


@pytest.fixture
def model():
    return convert_to_graph(Net())


def run(model, x=None):
    return build_module(model).eval()(images() if x is None else x)


def test_nodes_are_found_by_name_type_and_label(model):
    assert model.get_node_by_name("conv").operation.type == "torch.nn.Conv2d"
    assert model.get_node_by_name("right.0").graph.name == "right"
    paths = {node.path for node in model.get_nodes_by_type(nn.Conv2d)}
    assert paths == {"conv", "left", "right.0"}
    for spelling in ("torch.nn.Conv2d", "__torch__.torch.nn.modules.conv.Conv2d", torch.nn.Conv2d):
        assert len(model.get_nodes_by_type(spelling)) == 3
    assert [node.name for node in model.get_nodes_by_type(torch.cat)] == ["cat"]
    model.get_node_by_name("left").update_label("branch")
    assert model.get_nodes_by_label("branch") == [model.get_node_by_name("left")]


def test_parameters_and_neighbours_read_like_the_model(model):
    conv = model.get_node_by_name("conv")
    assert dict(conv.operation.parameters) == {"in_channels": 3, "out_channels": 4, "kernel_size": 3, "padding": 1}
    assert [node.name for node in conv.successors] == ["relu"]
    cat = model.get_node_by_name("cat")
    assert [node.name for node in cat.predecessors] == ["left", "right"]
    assert [(edge.head.name, edge.tail_slot) for edge in cat.incoming_edges] == [("left", 0), ("right", 1)]
    assert model.root_graph.topo_sort()[1] == conv
    assert cat.arguments.kwargs == {"dim": 1}


def test_writing_a_parameter_changes_one_fork_only(model):
    fork = model.fork()
    fork.get_node_by_name("conv").operation.parameters["kernel_size"] = 5
    fork.get_node_by_name("conv").operation.parameters["padding"] = 2
    assert model.get_node_by_name("conv").operation.parameters["kernel_size"] == 3
    assert build_module(fork).conv.kernel_size == (5, 5)
    assert fork.history == (model,)
    assert fork.graphs["right"]._data is model.graphs["right"]._data  # shared, not copied


def test_the_base_can_change_after_a_fork(model):
    fork = model.fork()
    model.get_node_by_name("conv").operation.parameters["bias"] = False
    assert "bias" not in fork.get_node_by_name("conv").operation.parameters


def test_unchanged_layers_keep_their_weights_and_changed_ones_are_new():
    net = Net()
    model = convert_to_graph(net)
    model.get_node_by_name("left").update_operation(
        nn.Conv2d, {"in_channels": 4, "out_channels": 4, "kernel_size": 3, "padding": 1}
    )
    built = build_module(model)
    assert torch.equal(built.conv.weight, net.conv.weight)
    assert built.conv.weight is not net.conv.weight
    assert built.left.weight.shape == (4, 4, 3, 3)


def test_insert_and_remove_a_node(model):
    edge = model.get_node_by_name("relu").outgoing_edges[0]
    node = model.root_graph.insert_node_on_edge(edge, "norm", nn.BatchNorm2d, {"num_features": 4})
    assert [n.name for n in node.predecessors] == ["relu"]
    assert [n.name for n in node.successors] == [edge.tail.name]
    assert isinstance(build_module(model).norm, torch.nn.BatchNorm2d)
    before = run(convert_to_graph(randomized(Net())))
    assert run(model).shape == before.shape
    node.remove(bridge=True)
    assert not hasattr(build_module(model), "norm")
    with pytest.raises(InvalidMutation, match="was removed"):
        _ = node.name


@pytest.mark.parametrize("change", [lambda n: n.remove(bridge=True), lambda n: n.update_operation(nn.Identity)])
def test_the_inside_of_a_block_that_was_removed_or_replaced_is_not_found(model, change):
    inside = [node.path for node in model.get_nodes_by_type(nn.Conv2d)]
    assert inside == ["conv", "left", "right.0"]
    fork = model.fork()
    change(fork.get_node_by_name("right"))
    assert [node.path for node in fork.get_nodes_by_type(nn.Conv2d)] == ["conv", "left"]
    assert "right.0" not in [node.path for node in fork.get_nodes()]
    with pytest.raises(InvalidMutation, match=r"right\.0"):
        fork.get_node_by_name("right.0")
    assert [node.path for node in model.get_nodes_by_type(nn.Conv2d)] == inside, "the fork's origin keeps it"


def test_functions_and_methods_are_operations_too(model):
    model.get_node_by_name("relu").update_operation(F.leaky_relu, {"negative_slope": 0.2})
    assert "F.leaky_relu(x, negative_slope=0.2)" in build_module(model).source
    node = model.root_graph.insert_node_on_edge(
        model.root_graph.output_node.incoming_edges[0], "soft", "torch.Tensor.softmax"
    )
    node.update_arguments(Input(0), dim=-1)
    assert torch.allclose(run(model).sum(-1), torch.ones(2))


def test_a_list_of_inputs_takes_further_edges(model):
    graph = model.root_graph
    extra = graph.add_node("extra", nn.Conv2d, {"in_channels": 4, "out_channels": 3, "kernel_size": 1})
    graph.add_edge(model.get_node_by_name("relu"), extra)
    graph.add_edge(extra, model.get_node_by_name("cat"))
    model.get_node_by_name("fc").operation.parameters["in_features"] = 11
    assert run(model).shape == (2, 2)
    assert model.get_node_by_name("cat").arguments.args == (Inputs(),)


def test_shared_layers_share_until_one_is_changed():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def forward(self, x):
            return self.fc(self.fc(x))

    model = convert_to_graph(Twice())
    first, second = model.get_nodes_by_type(nn.Linear)
    assert first.member == second.member == "fc"
    assert len(list(build_module(model).parameters())) == 2
    second.operation.parameters["bias"] = False
    assert (first.member, second.member) == ("fc", "fc_1")
    assert len(list(build_module(model).parameters())) == 3


def test_a_nested_graph_can_be_made_a_node_s_own():
    model = convert_to_graph(ResNet())
    node = model.get_node_by_name("layer1.1")
    copied = node.specialize_cell()
    copied.get_node_by_name("conv1").operation.parameters["bias"] = True
    built = build_module(model)
    assert built.layer1[1].conv1.bias is not None
    assert built.layer1[0].conv1.bias is None


def test_prune_removes_what_the_output_does_not_need(model):
    cat = model.get_node_by_name("cat")
    cat.incoming_edges[1].remove()
    model.get_node_by_name("fc").operation.parameters["in_features"] = 4
    assert model.root_graph.prune() == ["right"]
    assert run(model).shape == (2, 2)
    assert not hasattr(build_module(model), "right")


class TestRefused:
    def test_unknown_label_names_the_nearest(self, model):
        model.get_node_by_name("left").update_label("branch_1")
        with pytest.raises(InvalidMutation, match=r"no label 'branch_2'. Did you mean 'branch_1'\?"):
            model.get_nodes_by_label("branch_2")

    def test_unknown_name_names_the_nearest(self, model):
        with pytest.raises(InvalidMutation, match=r"no node 'convv'. Did you mean 'conv'\?"):
            model.get_node_by_name("convv")

    def test_name_of_several_nodes_lists_their_paths(self):
        with pytest.raises(InvalidMutation, match=r"4 nodes are called 'bn2'.*layer1\.0\.bn2"):
            convert_to_graph(ResNet()).get_node_by_name("bn2")

    def test_disconnected_output(self, model):
        model.root_graph.output_node.incoming_edges[0].remove()
        with pytest.raises(InvalidMutation, match="The output of graph '_model' has no edge"):
            build_module(model)

    def test_missing_input(self, model):
        model.get_node_by_name("fc").incoming_edges[0].remove()
        with pytest.raises(InvalidMutation, match=r"Node 'fc' \(torch.nn.Linear\).*has no edge to its input 0"):
            build_module(model)

    def test_cycle(self, model):
        graph = model.root_graph
        node = graph.insert_node_on_edge(model.get_node_by_name("relu").incoming_edges[0], "add", "operator.add")
        graph.add_edge(model.get_node_by_name("left"), (node, 1))
        with pytest.raises(InvalidMutation, match="form a cycle"):
            build_module(model)

    def test_taken_and_unknown_slots(self, model):
        conv, fc = model.get_node_by_name("conv"), model.get_node_by_name("fc")
        with pytest.raises(InvalidMutation, match="Input 0 of node 'fc' is taken by 'mean'"):
            model.root_graph.add_edge(conv, (fc, 0))
        relu = model.get_node_by_name("relu")
        with pytest.raises(InvalidMutation, match="no free input: 1 of 1 taken"):
            model.root_graph.add_edge(conv, relu)

    def test_nodes_of_other_graphs(self, model):
        fork = model.fork()
        with pytest.raises(InvalidMutation, match="another model"):
            model.root_graph.add_edge(fork.get_node_by_name("conv"), model.get_node_by_name("cat"))

    def test_removing_a_node_in_use(self, model):
        with pytest.raises(InvalidMutation, match="its result is used by 'relu'"):
            model.get_node_by_name("conv").remove()

    def test_parameters_that_do_not_exist(self, model):
        model.get_node_by_name("conv").operation.parameters["kernel"] = 3
        with pytest.raises(GraphError, match=r"Node 'conv': Conv2d.*unexpected keyword argument 'kernel'"):
            build_module(model)

    def test_parameters_that_do_not_work(self, model):
        model.get_node_by_name("conv").operation.parameters["groups"] = 2
        with pytest.raises(GraphError, match=r"Node 'conv'.*cannot be built: ValueError"):
            build_module(model)

    def test_names_that_are_no_types(self, model):
        with pytest.raises(GraphError, match="is not a qualified name"):
            model.get_node_by_name("conv").update_operation("Conv2d", {})
        model.get_node_by_name("conv").update_operation("torch.nn.Conv9d", {})
        with pytest.raises(GraphError, match=r"'conv'.*no 'torch.nn.Conv9d'"):
            build_module(model)

    def test_functions_have_no_constructor_parameters(self, model):
        wanted = r"'cat' is not a layer but a function \(torch\.cat\).*update_arguments"
        with pytest.raises(InvalidMutation, match=wanted):
            model.get_node_by_name("cat").operation.parameters["dim"] = 2

    def test_input_and_output_are_no_operations(self, model):
        with pytest.raises(InvalidMutation, match=r"remove\(\) was called on the output node of graph '_model'"):
            model.root_graph.output_node.remove()
        with pytest.raises(InvalidMutation, match=r"update_operation\(\) was called on the input node"):
            model.root_graph.input_node.update_operation(nn.ReLU, {})

    def test_names_in_the_place_of_nodes(self, model):
        with pytest.raises(InvalidMutation, match=r"'fc' is a str, expected a node; see get_node_by_name"):
            model.root_graph.add_edge(model.get_node_by_name("conv"), "fc")

    def test_cycle_in_a_nested_graph_has_its_path(self):
        model = convert_to_graph(ResNet())
        graph = model.graphs["layer1.0"]
        node = graph.insert_node_on_edge(graph.get_node_by_name("conv1").incoming_edges[0], "back", "operator.add")
        graph.add_edge(graph.get_node_by_name("bn2"), (node, 1))
        with pytest.raises(InvalidMutation, match=r"conv1 -> bn1 -> .* of graph 'layer1.0' form a cycle") as caught:
            build_module(model)
        assert caught.value.node == "layer1.0.conv1"


def test_forks_keep_the_evaluator_and_have_metrics_of_their_own(model):
    model.evaluator, model.metric = object(), 0.5
    model.intermediate_metrics.append(0.25)
    fork = model.fork()
    assert fork.evaluator is model.evaluator
    assert (fork.metric, fork.intermediate_metrics) == (None, [])
    fork.metric = 0.75
    fork.intermediate_metrics.append(0.5)
    assert (model.metric, model.intermediate_metrics) == (0.5, [0.25])
    assert fork.fork().history == (model, fork)


def test_nodes_may_be_called_like_keywords(model):
    node = model.root_graph.add_node("class", nn.Linear, {"in_features": 2, "out_features": 3})
    edge = model.root_graph.output_node.incoming_edges[0]
    edge.remove()
    model.root_graph.add_edge(edge.head, node)
    model.root_graph.add_edge(node, model.root_graph.output_node)
    assert run(model_from_json(model_to_json(model))).shape == (2, 3)


def test_one_of_something_is_not_called_many():
    graph = convert_to_graph(nn.Sequential(nn.Linear(2, 2)))
    assert ", 1 graph, " in repr(graph)
    assert repr(graph.root_graph).endswith(", 1 node)")
