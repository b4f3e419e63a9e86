"""Mutators and the spaces they span."""

from __future__ import annotations

import math
import pickle
import random
from itertools import islice

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.errors import ArchitectureError, GraphError, InvalidMutation, LabelConflictError, SpaceError
from retiarii.graph import GraphEngine, Mutator, Sampler, StationaryMutator, convert_to_graph
from retiarii.graph._mutation import graph_engine
from retiarii.nn.pytorch import Placeholder
from retiarii.space import Integer, SearchSpace
from retiarii.strategy import RegularizedEvolution


@nn.basic_unit
class ConvUnit(nn.Module):
    def __init__(self, in_ch, out_ch, kernel_size):
        super().__init__()
        self.conv = nn.Conv2d(in_ch, out_ch, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        return torch.relu(self.conv(x))


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.body = Placeholder("body", kernels=[1, 3], depths=[1, 2, 3])
        self.act = nn.LayerChoice({"relu": nn.ReLU(), "tanh": nn.Tanh()}, label="act")
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.act(self.body(self.stem(x))).mean((2, 3)))


class Fill(Mutator):
    """Fills the placeholder with as many units as it likes, and asks for a kernel for each."""

    def mutate(self, model):
        (node,) = model.get_nodes_by_label("body")
        info = node.operation.parameters
        depth = self.choice(info["depths"], label="depth")
        kernels = [self.choice(info["kernels"]) for _ in range(depth)]
        node.update_operation(ConvUnit, {"in_ch": 4, "out_ch": 4, "kernel_size": kernels[0]})
        for kernel in kernels[1:]:
            parameters = {"in_ch": 4, "out_ch": 4, "kernel_size": kernel}
            node = node.graph.insert_node_on_edge(node.outgoing_edges[0], "unit", ConvUnit, parameters)


class Kernel(Mutator):
    def mutate(self, model):
        (node,) = model.get_nodes_by_label("body")
        kernel = self.choice([1, 3, 5])
        node.update_operation(ConvUnit, {"in_ch": 4, "out_ch": 4, "kernel_size": kernel})


class First(Sampler):
    def choice(self, candidates, mutator, model, index):
        return candidates[0]


X = torch.zeros(2, 3, 8, 8)


def test_apply_mutates_a_fork_and_leaves_the_model_alone():
    base = convert_to_graph(Base())
    mutated = Kernel().bind_sampler(First()).apply(base)
    assert base.get_nodes_by_label("body")[0].operation.short_type == "Placeholder"
    assert mutated.get_nodes_by_label("body")[0].operation.type.endswith("ConvUnit")
    assert mutated.history == (base,)


def test_dry_run_lists_the_candidates():
    candidates, mutated = Fill().dry_run(convert_to_graph(Base()))
    assert candidates == [[1, 2, 3], [1, 3]]
    assert mutated.get_nodes_by_type(ConvUnit)


def test_stationary_mutators_span_a_plain_space_with_the_choices_in_the_model():
    engine = GraphEngine(Base(), [Kernel()], example_input=X)
    assert engine.space.has_fixed_labels
    assert engine.space.size == 6
    assert {choice.label for choice in engine.space} == {"act", "Kernel/0"}
    for architecture in engine.space.grid():
        built = engine.build(architecture)
        assert built.body.conv.kernel_size == (architecture["Kernel/0"],) * 2
        assert type(built.act) is {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[architecture["act"]]
        assert built(X).shape == (2, 2)


@pytest.fixture(scope="module")
def engine():
    return GraphEngine(Base(), [Fill()], example_input=X)


def test_dependent_choices_span_a_space_that_is_discovered(engine):
    space = engine.space
    assert not space.has_fixed_labels
    assert space.size == 2 * (2 + 4 + 8)
    every = list(space.grid())
    assert len(set(every)) == len(every) == space.size
    assert space.at(5) == every[5]
    for architecture in every:
        assert space.architecture(dict(architecture)) == architecture
        assert len(architecture) == 2 + architecture["Fill/depth"]
        assert engine.build(architecture)(X).shape == (2, 2)


def test_sampling_mutation_and_crossover_stay_in_the_space(engine):
    space = engine.space
    rng = random.Random(0)
    every = set(space.grid())
    samples = [space.sample(rng) for _ in range(60)]
    assert set(samples) <= every
    assert {sample["Fill/depth"] for sample in samples} == {1, 2, 3}
    for parent in samples[:20]:
        child = space.mutate(parent, rng)
        assert child in every
        assert child != parent
        assert space.mutate(parent, rng, probability=0.5) in every
        assert space.crossover(parent, samples[-1], rng) in every
    assert set(space.neighbours(samples[0])) <= every - {samples[0]}


def test_mutation_changes_one_decision_and_keeps_the_others(engine):
    parent = engine.space.architecture({"act": "relu", "Fill/depth": 2, "Fill/1": 3, "Fill/2": 1})
    rng = random.Random(1)
    for _ in range(30):
        child = engine.space.mutate(parent, rng)
        shared = set(parent) & set(child)
        assert sum(parent[label] != child[label] for label in shared) == 1


def test_strategies_search_such_spaces(engine):
    search = RegularizedEvolution(population_size=4, sample_size=2).search(engine.space, seed=5)
    for _ in range(12):
        (proposal,) = search.ask(1)
        search.tell_metric(proposal, float(proposal.architecture["Fill/depth"]))
    assert search.best.architecture["Fill/depth"] == 3


def test_spaces_and_engines_pickle(engine):
    again = pickle.loads(pickle.dumps(engine.space))
    assert again.sample(random.Random(4)) == engine.space.sample(random.Random(4))
    assert repr(again) == repr(engine.space)


def test_constraints_and_further_choices(engine):
    from retiarii.space import Categorical

    shallow = engine.space.constrained(lambda architecture: architecture["Fill/depth"] == 1)
    assert {a["Fill/depth"] for a in shallow.grid()} == {1}
    assert shallow.sample(random.Random(0))["Fill/depth"] == 1
    joint = engine.space.merge(SearchSpace([Categorical("lr", values=(0.1, 0.2))]))
    sample = joint.sample(random.Random(0))
    assert sample["lr"] in (0.1, 0.2)
    assert engine.build(sample)(X).shape == (2, 2)


def test_architectures_that_do_not_fit_are_refused(engine):
    with pytest.raises(ArchitectureError, match="'Fill/2'"):
        engine.space.architecture({"act": "relu", "Fill/depth": 2, "Fill/1": 3})
    with pytest.raises(ArchitectureError, match="'Fyll/1'"):
        engine.space.architecture({"act": "relu", "Fill/depth": 1, "Fill/1": 3, "Fyll/1": 3})
    with pytest.raises(ArchitectureError, match="7"):
        engine.space.architecture({"act": "relu", "Fill/depth": 1, "Fill/1": 7})
    with pytest.raises(SpaceError, match=r"no encoding of fixed length.*encode_all"):
        engine.space.encode(engine.space.default())
    with pytest.raises(SpaceError, match=r"no encoding of fixed length.*encode_all"):
        _ = engine.space.feature_names
    with pytest.raises(SpaceError, match="no architecture number 28"):
        engine.space.at(28)


def test_large_spaces_are_sampled_without_being_counted():
    class Deep(Mutator):
        def mutate(self, model):
            for _ in range(self.choice([5, 20])):
                self.choice([1, 2, 3])

    space = GraphEngine(Base(), [Deep()]).space
    assert space.size == math.inf
    assert "too many to count" in space.describe()
    assert space.at(3) == next(islice(space.grid(), 3, None))
    assert len(list(islice(space.grid(), 10))) == 10
    assert len(space.sample(random.Random(0))) in (7, 22)


def test_choices_of_an_evaluator_join_those_of_mutators(engine):
    own = SearchSpace([Integer("epochs", 1, 2)])
    for space in (own.merge(engine.space), engine.space.merge(own)):
        assert not space.has_fixed_labels
        assert space.size == 2 * engine.space.size
        assert {"epochs", "act", "Fill/depth"} < set(space.sample(random.Random(0)))
    with pytest.raises(SpaceError, match="cannot be merged"):
        engine.space.merge(engine.space)


def test_lists_of_mutators_are_applied_in_order_with_labels_of_their_own():
    class Widen(Mutator):
        def __init__(self, target):
            super().__init__()
            self.target = target

        def mutate(self, model):
            width = self.choice([4, 8])
            model.get_node_by_name("stem").operation.parameters[self.target] = width
            if self.target == "out_channels":
                model.get_nodes_by_type(ConvUnit)[0].operation.parameters["in_ch"] = width

    engine = GraphEngine(Base(), [Kernel(), Widen("out_channels"), Widen("in_channels")], example_input=X)
    labels = [choice.label for choice in engine.space]
    assert labels == ["act", "Kernel/0", "Widen/0", "Widen_2/0"]
    good = {"act": "relu", "Kernel/0": 3, "Widen/0": 8, "Widen_2/0": 4}
    with pytest.raises(
        InvalidMutation, match=r"Node 'stem' \(torch.nn.Conv2d\).*\(2, 3, 8, 8\).*\(8, 4, 1, 1\)"
    ) as caught:
        engine.build(good)
    assert caught.value.node == "stem"


def test_invalid_mutations_are_points_of_the_space_that_cannot_be_built():
    class Picky(Mutator):
        def mutate(self, model):
            if self.choice(["fine", "bad"]) == "bad":
                raise InvalidMutation("This one is not allowed.")
            model.get_nodes_by_label("body")[0].remove(bridge=True)
            self.choice([1, 2])

    engine = GraphEngine(Base(), [Picky()])
    bad = {"act": "relu", "Picky/0": "bad", "Picky/1": 1}
    with pytest.raises(InvalidMutation, match="not allowed"):
        engine.build(bad)
    engine = GraphEngine(Base(), [Picky()], stationary=False)
    assert engine.space.size == 6
    assert engine.space.architecture({"act": "relu", "Picky/0": "bad"})


def test_a_mutation_that_breaks_the_graph_names_the_mutator():
    class Cut(Mutator):
        def mutate(self, model):
            model.root_graph.output_node.incoming_edges[0].remove()

    with pytest.raises(InvalidMutation, match=r"After Cut \(Cut\): The output of graph"):
        GraphEngine(Base(), [Cut()]).build({"act": "relu"})


def test_candidates_may_be_anything():
    class Types(Mutator):
        def mutate(self, model):
            (node,) = model.get_nodes_by_label("body")
            node.update_operation(self.choice([nn.Tanh, nn.Sigmoid, torch.relu]), {})

    engine = GraphEngine(Base(), [Types()])
    assert engine.space["Types/0"].values == ("Tanh", "Sigmoid", "relu")
    for value in engine.space["Types/0"].values:
        assert engine.build({"act": "relu", "Types/0": value})(X).shape == (2, 2)


def test_one_label_is_one_decision():
    class Shared(Mutator):
        def mutate(self, model):
            assert self.choice([1, 2], label="same") == self.choice([1, 2], label="same")
            model.get_nodes_by_label("body")[0].remove(bridge=True)

    class Conflict(Mutator):
        def mutate(self, model):
            self.choice([1, 2], label="same")
            self.choice([1, 2, 3], label="same")

    assert GraphEngine(Base(), [Shared()]).space.size == 4
    with pytest.raises(LabelConflictError, match="Conflict/same"):
        _ = GraphEngine(Base(), [Conflict()]).space


def test_a_stationary_mutator_that_is_not_is_caught():
    class Liar(StationaryMutator):
        def mutate(self, model):
            if self.choice([1, 2]) == 2:
                self.choice([3, 4])

    with pytest.raises(GraphError, match="Liar is a StationaryMutator, but its choice 1 has other candidates now"):
        _ = GraphEngine(Base(), [Liar()]).space


def test_misuse_says_what_to_do():
    with pytest.raises(GraphError, match="bind_sampler"):
        Kernel().apply(convert_to_graph(Base()))
    with pytest.raises(GraphError, match=r"only in mutate\(\)"):
        Kernel().choice([1])
    with pytest.raises(GraphError, match="expected a Mutator"):
        GraphEngine(Base(), [Kernel])
    with pytest.raises(GraphError, match="'body' is a placeholder that no mutator replaced"):
        GraphEngine(Base()).build({"act": "relu"})


def test_architectures_are_encoded_together_over_the_labels_that_they_have(engine):
    raw = [
        {"act": "relu", "Fill/depth": 1, "Fill/1": 1},
        {"act": "tanh", "Fill/depth": 2, "Fill/1": 3, "Fill/2": 1},
        {"act": "tanh", "Fill/depth": 2, "Fill/1": 1, "Fill/2": 1},
    ]
    rows = engine.space.encode_all([engine.space.architecture(architecture) for architecture in raw])
    assert rows == [
        # act: active, relu, tanh; depth: active, 1, 2; first kernel: active, 1, 3; second kernel: active, 1
        [1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0],
        [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0],
        [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0],
    ]
    every = list(engine.space.grid())
    assert len({tuple(row) for row in engine.space.encode_all(every)}) == len(every)
    assert engine.space.encode_all([]) == []


def test_enumerating_runs_the_mutators_once_for_each_architecture():
    class Counting(Fill):
        runs = 0

        def mutate(self, model):
            Counting.runs += 1
            super().mutate(model)

    space = GraphEngine(Base(), [Counting()], stationary=False).space
    Counting.runs = 0
    assert [space.at(index) for index in range(space.size)] == list(space.grid())
    assert Counting.runs == 2 * space.size  # once to count, and once for the grid


def test_models_with_many_architectures_of_their_own_are_not_traced_to_count(monkeypatch):
    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(*[nn.Dropout(nn.ValueChoice([0.1, 0.2], label=f"p{i}")) for i in range(7)])

        def forward(self, x):
            return self.layers(x)

    class Dependent(Mutator):
        def mutate(self, model):
            for _ in range(self.choice([1, 2])):
                self.choice([1, 2])

    space = GraphEngine(Wide(), [Dependent()], stationary=False).space
    monkeypatch.setattr(graph_engine, "lower_with_network", lambda *args: pytest.fail("it was traced"))
    assert space.size == math.inf


def test_one_mutator_may_be_in_the_list_twice():
    class Deepen(Mutator):
        def mutate(self, model):
            edge = model.root_graph.output_node.incoming_edges[0]
            if self.choice([False, True]):
                model.root_graph.insert_node_on_edge(edge, "extra", nn.Linear, {"in_features": 2, "out_features": 2})

    deepen = Deepen()
    engine = GraphEngine(nn.Sequential(nn.Linear(2, 2)), [deepen, deepen])
    assert [choice.label for choice in engine.space] == ["Deepen/0", "Deepen_2/0"]
    built = engine.build({"Deepen/0": True, "Deepen_2/0": False})
    assert len([m for m in built.modules() if isinstance(m, torch.nn.Linear)]) == 2


def test_labels_of_mutators_never_meet():
    mutators = [Kernel(label="K"), Kernel(label="K"), Kernel(label="K_2")]
    labels = [mutator.label for mutator in GraphEngine(Base(), mutators).mutators]
    assert len(set(labels)) == 3


def test_an_error_in_a_mutator_names_it():
    class Lost(Mutator):
        def mutate(self, model):
            model.get_nodes_by_label("bodi")

    with pytest.raises(
        InvalidMutation, match=r"In Lost \(Lost\): The model has no label 'bodi'. Did you mean 'body'\?"
    ):
        GraphEngine(Base(), [Lost()]).build({"act": "relu"})

    class TooDeep(InvalidMutation):
        pass

    class Raising(Mutator):
        def mutate(self, model):
            raise TooDeep("as I said")

    with pytest.raises(TooDeep, match=r"^as I said$"):
        GraphEngine(Base(), [Raising()]).build({"act": "relu"})


class BlockMutator(Mutator):
    """Written in the words of NNI's MnasNet example."""

    def __init__(self, target):
        super().__init__()
        self.target = target

    def mutate(self, model):
        nodes = model.get_nodes_by_label(self.target)
        assert len(nodes) == 1
        node = nodes[0]
        graph = node.graph
        related_info = node.operation.parameters
        kernel_size = self.choice(related_info["kernel_size_options"])
        n_filter = self.choice(related_info["n_filter_options"])
        if related_info["in_ch"] is not None:
            in_ch = related_info["in_ch"]
        else:
            assert len(node.predecessors) == 1
            in_ch = node.predecessors[0].operation.parameters["out_ch"]
        node.update_operation(ConvUnit, {"in_ch": in_ch, "out_ch": n_filter, "kernel_size": kernel_size})
        for i in range(1, self.choice(related_info["n_layer_options"])):
            node = graph.insert_node_on_edge(
                node.outgoing_edges[0],
                f"{self.target}_{i}",
                "__torch__." + ConvUnit.__module__ + ".ConvUnit",
                {"in_ch": n_filter, "out_ch": n_filter, "kernel_size": kernel_size},
            )
        if len(node.successors) == 1 and "in_channels" in node.successors[0].operation.parameters:
            node.successors[0].operation.parameters["in_channels"] = n_filter


def test_mutators_of_the_original_s_documents_run_unchanged():
    options = {"kernel_size_options": [1, 3], "n_filter_options": [4, 6], "n_layer_options": [1, 2]}
    base = nn.Sequential(
        nn.Conv2d(3, 4, 1),
        nn.Placeholder("one", related_info={**options, "in_ch": 4}),
        nn.Placeholder("two", **options, in_ch=None),
        nn.Conv2d(4, 5, 1),
    )
    engine = GraphEngine(base, [BlockMutator("one"), BlockMutator("two")], example_input=X)
    assert engine.space.size == 64
    chosen = {"BlockMutator/0": 3, "BlockMutator/1": 6, "BlockMutator/2": 2}
    built = engine.build({**chosen, "BlockMutator_2/0": 1, "BlockMutator_2/1": 4, "BlockMutator_2/2": 1})
    shapes = [tuple(m.weight.shape) for m in built.modules() if isinstance(m, torch.nn.Conv2d)]
    assert shapes == [(4, 3, 1, 1), (6, 4, 3, 3), (6, 6, 3, 3), (4, 6, 1, 1), (5, 4, 1, 1)]
    assert built(X).shape == (2, 5, 8, 8)
