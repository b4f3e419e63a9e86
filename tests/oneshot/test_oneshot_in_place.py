"""Supernets that are the user's own model: its parameters and optimizer keep working, and the choices come back."""

import copy
import pickle

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.errors import SupernetError
from retiarii.nn.pytorch import extract_space, freeze
from retiarii.oneshot import DARTS, ENAS, PCDARTS, Proxyless, RandomOneShot, SearchLoop, build_supernet, subnet


class Net(nn.Module):
    """Layer choices and inputs, as in models of the classic API."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(3, 4)
        self.op = nn.LayerChoice(
            {"deep": nn.Sequential(nn.Linear(4, 4), nn.Tanh()), "linear": nn.Linear(4, 4), "skip": nn.Identity()},
            label="op",
        )
        self.pick = nn.InputChoice(2, 1, label="pick")
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.pick([self.op(x), x]))


class Wide(nn.Module):
    """Layers that grow in a supernet, running statistics, and an attribute that holds a choice."""

    def __init__(self):
        super().__init__()
        width = nn.ValueChoice([2, 4, 8], label="width")
        self.first = nn.Linear(3, width)
        self.norm = nn.BatchNorm1d(width)
        self.last = nn.Linear(width, 2)
        self.scale = nn.ValueChoice([1.0, 2.0], label="scale")

    def forward(self, x):
        return self.last(self.norm(self.first(x))) * self.scale


class Listed(nn.Module):
    """Choices that the forward pass takes from plain containers."""

    def __init__(self):
        super().__init__()
        self.op = nn.LayerChoice([nn.Linear(3, 4), nn.Linear(3, 4)], label="op")
        self.wide = nn.Linear(4, nn.ValueChoice([2, 4], label="width"))
        self.last = nn.Linear(nn.ValueChoice([2, 4], label="width"), 2)
        self.steps = [self.op, {"wide": self.wide}, (self.last, nn.ValueChoice([1.0, 2.0], label="scale"))]

    def forward(self, x):
        last, scale = self.steps[2]
        return last(self.steps[1]["wide"](self.steps[0](x))) * scale


BATCHES = [(torch.randn(8, 3, generator=torch.Generator().manual_seed(at)), torch.arange(8) % 2) for at in range(4)]


def loss(module, batch):
    return torch.nn.functional.cross_entropy(module(batch[0]), batch[1])


def seeded(cls=Net):
    torch.manual_seed(0)
    return cls()


def described(model):
    """Return the types of all modules and the values of all tensors, by name."""
    kinds = {name: type(module) for name, module in model.named_modules()}
    return kinds, {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_the_model_itself_is_searched_with_the_optimizer_that_it_already_has():
    model = seeded()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loss(freeze(model, {"op": "linear", "pick": 0}), BATCHES[0]).backward()  # a model in use
    before = list(model.parameters())
    supernet = build_supernet(model, in_place=True)
    assert supernet.module is model
    assert all(one is other for one, other in zip(model.parameters(), before, strict=True))
    assert supernet.added_parameters == []
    values = [parameter.detach().clone() for parameter in before]
    search = DARTS(arc_learning_rate=0.1).search(supernet, seed=0)
    SearchLoop(search, loss, optimizer).run(BATCHES, BATCHES, 2)
    assert all(not torch.equal(parameter, value) for parameter, value in zip(before, values, strict=True))
    search.reset_for_validation()
    torch.testing.assert_close(model(BATCHES[0][0]), supernet(BATCHES[0][0]))
    architecture = search.export()
    supernet.set_architecture(architecture)
    torch.testing.assert_close(subnet(search, architecture)(BATCHES[0][0]), model(BATCHES[0][0]))


@pytest.mark.parametrize("strategy", [DARTS(), Proxyless(), PCDARTS(channel_share=2), ENAS(), RandomOneShot()])
@pytest.mark.parametrize("kind", [Net, Wide, Listed])
def test_a_search_in_place_is_the_search_of_a_copy(strategy, kind):
    def searched(in_place):
        model = seeded(kind)
        supernet = strategy.build(model, in_place=in_place)
        search = strategy.search(supernet, seed=3)
        optimizer = torch.optim.SGD(supernet.parameters(), lr=0.05)
        history = SearchLoop(search, loss, optimizer).run(BATCHES, BATCHES, 2)
        return history, supernet.module.state_dict(), search.export()

    ours, theirs = searched(in_place=True), searched(in_place=False)
    assert ours[0] == theirs[0]
    assert ours[2] == theirs[2]
    assert list(ours[1]) == list(theirs[1])
    assert all(torch.equal(ours[1][name], theirs[1][name]) for name in ours[1])


@pytest.mark.parametrize("kind", [Net, Wide])
def test_unbinding_gives_the_choices_back_at_once_and_changes_nothing(kind):
    model, other = seeded(kind), seeded(kind)
    kinds, tensors = described(model)
    parameters = dict(model.named_parameters())
    supernet = build_supernet(model, in_place=True)
    if kind is Wide:  # the weights of a layer that grew are new
        tensors = described(subnet(supernet, supernet.space.default()))[1]
    assert supernet.unbind() is model
    assert described(model)[0] == kinds
    for name, tensor in described(model)[1].items():
        torch.testing.assert_close(tensor, tensors[name], rtol=0, atol=0)
    assert all(parameter is parameters[name] for name, parameter in model.named_parameters())
    assert list(extract_space(model)) == list(extract_space(other))
    assert [repr(value) for value in vars(model).values()] == [repr(value) for value in vars(other).values()]


@pytest.mark.parametrize("in_place", [False, True])
def test_choices_that_plain_lists_and_dicts_refer_to_are_searched(in_place):
    model = seeded(Listed)
    steps = model.steps
    supernet = build_supernet(model, in_place=in_place)
    for architecture in supernet.space.grid():
        supernet.set_architecture(architecture)
        expected = subnet(supernet, architecture)(BATCHES[0][0])
        torch.testing.assert_close(supernet(BATCHES[0][0]), expected)
    search = DARTS(arc_learning_rate=0.1).search(supernet, seed=0)
    SearchLoop(search, loss, torch.optim.SGD(supernet.parameters(), lr=0.1)).run(BATCHES, BATCHES, 2)
    assert all(abs(shares[min(shares)] - 0.5) > 0.01 for shares in search.probabilities().values())
    if in_place:
        assert supernet.unbind().steps is steps
        assert steps[0] is model.op


@pytest.mark.parametrize("kind", [Net, Wide])
def test_the_trained_weights_stay_in_the_model_after_unbinding(kind):
    model = seeded(kind)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    supernet = build_supernet(model, in_place=True)
    search = RandomOneShot().search(supernet, seed=0)
    SearchLoop(search, loss, optimizer).run(BATCHES, BATCHES, 3)
    default = supernet.space.default()
    expected = subnet(supernet, default).eval()
    supernet.unbind()
    network = freeze(model, default).eval()
    torch.testing.assert_close(network(BATCHES[0][0]), expected(BATCHES[0][0]), rtol=0, atol=0)
    again = build_supernet(model, in_place=True)  # it can be bound again, and trained by the same optimizer
    SearchLoop(RandomOneShot().search(again, seed=1), loss, optimizer).run(BATCHES, BATCHES, 1)


def test_layers_that_grow_keep_their_parameters_as_objects():
    model = seeded(Wide)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    parameters = dict(model.named_parameters())
    assert parameters["first.weight"].shape == (2, 3)
    supernet = build_supernet(model, in_place=True)
    assert parameters["first.weight"].shape == (8, 3)
    assert {id(p) for p in model.parameters()} == {id(p) for p in parameters.values()}
    supernet.set_architecture({"width": 8, "scale": 2.0})
    before = parameters["first.weight"].detach().clone()
    loss(model, BATCHES[0]).backward()
    optimizer.step()
    assert bool((parameters["first.weight"] != before).all())
    supernet.unbind()
    assert parameters["first.weight"].shape == (2, 3)
    assert torch.equal(parameters["first.weight"], model.first.weight)


def test_parameters_that_only_the_supernet_has_are_named():
    model = nn.Sequential(nn.Linear(3, 3), nn.Cell([lambda *place: nn.Linear(3, 3)], 2, 1, 2, label="cell"))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    supernet = build_supernet(model, in_place=True)
    assert supernet.added_parameters
    optimizer.add_param_group({"params": supernet.added_parameters})
    known = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert sorted(map(id, known)) == sorted(map(id, supernet.parameters()))
    assert build_supernet(nn.Sequential(nn.Linear(3, 3))).added_parameters == []


def test_an_unbound_supernet_says_so():
    supernet = build_supernet(seeded(), in_place=True)
    supernet.unbind()
    with pytest.raises(SupernetError, match="was unbound from its model"):
        supernet(BATCHES[0][0])
    with pytest.raises(SupernetError, match="not bound to a model in place"):
        supernet.unbind()
    with pytest.raises(SupernetError, match="not bound to a model in place"):
        build_supernet(seeded()).unbind()


def test_a_model_that_is_a_supernet_is_not_made_one_again():
    model = seeded()
    build_supernet(model, in_place=True)
    for in_place in (True, False):
        with pytest.raises(SupernetError, match="is a supernet already: 'op' is an operator"):
            build_supernet(model, in_place=in_place)


@pytest.mark.parametrize("in_place", [True, False])
def test_a_supernet_has_no_choices_to_list_or_to_fix_until_it_is_unbound(in_place):
    model = seeded()
    supernet = build_supernet(model, in_place=in_place)
    architecture = supernet.space.default()
    uses = [extract_space, lambda m: freeze(m, architecture), lambda m: freeze(m, architecture, in_place=True)]
    for use in uses:
        with pytest.raises(SupernetError, match=r"is a supernet, in which the choice at 'op' .*no choices to list or"):
            use(supernet.module)
    assert supernet(BATCHES[0][0]).shape == (8, 2)
    assert freeze(supernet.unbind() if in_place else model, architecture)(BATCHES[0][0]).shape == (8, 2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.LayerChoice([nn.Linear(2, 2), nn.Identity()], label="op"),
        lambda: nn.Linear(3, nn.ValueChoice([1, 2], label="width")),
    ],
)
def test_a_model_that_is_itself_a_choice_stays_as_it_was(make):
    model = make()
    kinds, tensors = described(model)
    with pytest.raises(SupernetError, match=r"Put it into a module, such as torch\.nn\.Sequential"):
        build_supernet(model, in_place=True)
    assert described(model)[0] == kinds
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in described(model)[1].items())
    build_supernet(torch.nn.Sequential(model), in_place=True)


def test_a_model_with_a_part_that_cannot_be_in_a_supernet_stays_as_it_was():
    class Refused(Wide):
        def __init__(self):
            super().__init__()
            self.cell = nn.NasBench101Cell([lambda n: nn.Linear(n, n)], 4, 4, lambda i, o: nn.Linear(i, o), 4, 5)

    model = seeded(Refused)
    kinds, tensors = described(model)
    space = extract_space(model)
    with pytest.raises(SupernetError, match="NasBench101Cell"):
        build_supernet(model, in_place=True)
    assert described(model)[0] == kinds
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in described(model)[1].items())
    assert list(extract_space(model)) == list(space)


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda supernet: pickle.loads(pickle.dumps(supernet))])
def test_a_copy_of_a_supernet_in_place_can_be_unbound_by_itself(clone):
    model = seeded(Wide)
    supernet = build_supernet(model, in_place=True)
    twin = clone(supernet)
    torch.testing.assert_close(twin(BATCHES[0][0]), supernet(BATCHES[0][0]))
    unbound = twin.unbind()
    assert unbound is not model
    assert unbound.first.weight.shape == (2, 3)
    assert supernet.module.first.layer.weight.shape == (8, 3)
