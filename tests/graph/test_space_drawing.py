"""Models with choices, drawn with all candidates."""

import random

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.drawing import Drawing
from retiarii.errors import GraphError
from retiarii.graph import GraphEngine, Model, Mutator, mutated_nodes, space_drawing
from retiarii.hub.pytorch import MobileNetV3Space, NasBench201
from retiarii.nn.pytorch import extract_space


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        width = nn.ValueChoice([4, 8], label="width")
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.op = nn.LayerChoice(
            {"conv": nn.Conv2d(width, width, 1), "deep": nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU())},
            label="op",
        )
        self.blocks = nn.Repeat(lambda i: nn.LayerChoice([nn.ReLU(), nn.Tanh()], label=f"r{i}"), (1, 3), label="depth")
        self.skip = nn.InputChoice(n_candidates=2, n_chosen=1, label="skip")
        self.cell = nn.Cell([nn.Identity(), nn.MaxPool2d(3, 1, 1)], 2, 1, 1, label="cell")
        self.head = nn.Linear(6, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stem = self.stem(x)
        chosen = self.blocks(self.op(stem))
        result: torch.Tensor = self.head(self.cell([self.skip([stem, chosen])]))
        return result


def drawn(model: torch.nn.Module, **options: int) -> Drawing:
    return space_drawing(model, extract_space(model), **options)


def used(drawing: Drawing, architecture: dict[str, object]) -> set[str]:
    boxes, _ = drawing.used(architecture)
    return {box.path for box, is_used in zip(drawing.boxes, boxes, strict=True) if is_used and box.when is not None}


def test_every_choice_is_shown_and_what_is_chosen_can_be_marked() -> None:
    model = Net()
    drawing = drawn(model)
    assert set(drawing.labels) == {choice.label for choice in extract_space(model)}
    architecture = {
        "width": 4, "op": "deep", "depth": 2, "r0": 0, "r1": 1, "skip": 1,
        "cell/op_1_0": 1, "cell/input_1_0": 0, "cell/op_2_0": 0, "cell/input_2_0": 1,
    }  # fmt: skip
    assert used(drawing, architecture) == {
        "op.deep", "blocks.blocks.0.0", "blocks.blocks.1", "blocks.blocks.1.1", "cell.ops.0.0.1", "cell.ops.1.0.0",
    }  # fmt: skip
    (stem,) = (box for box in drawing.boxes if box.path == "stem")
    assert stem.labels == ("width",)
    assert stem.note == "width: 4, 8"
    assert stem.cost.num_params is None  # it depends on the width
    (head,) = (box for box in drawing.boxes if box.path == "head")
    assert head.cost.num_params == 70


def test_the_chosen_inputs_and_the_end_of_a_repeat_are_arrows() -> None:
    drawing = drawn(Net())
    _, short = drawing.used({"depth": 1, "skip": 0, "op": "conv"})
    ends = [arrow for arrow in drawing.arrows if arrow.when is not None and arrow.when.label == "depth"]
    assert sorted(arrow.when.values for arrow in ends if arrow.when and len(arrow.when.values) == 1) == [
        (1,), (2,), (3,), (3,)
    ]  # fmt: skip
    inputs = [
        (a.when.values, on) for a, on in zip(drawing.arrows, short, strict=True) if a.when and a.when[0] == "skip"
    ]
    assert sorted(inputs) == [((0,), True), ((1,), False)]


def test_a_part_that_cannot_be_traced_is_one_box() -> None:
    class Branch(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum() > 0 else -x

    net = nn.Sequential(nn.LayerChoice({"branch": Branch(), "none": nn.Identity()}, label="op"))
    (branch,) = (box for box in drawn(net).boxes if box.title == "branch: Branch")
    assert not branch.is_container
    with pytest.raises(GraphError, match="Tracing stopped"):
        space_drawing(Branch(), extract_space(Branch()))


def test_labels_without_names_are_those_of_the_space() -> None:
    model = nn.Sequential(nn.LayerChoice([nn.ReLU(), nn.Tanh()]), nn.LayerChoice([nn.ReLU(), nn.Tanh()]))
    assert drawn(model).labels == tuple(choice.label for choice in extract_space(model))


class ChangeActivation(Mutator):
    def mutate(self, model: Model) -> None:
        for node in model.get_nodes_by_label("act"):
            node.update_operation(self.choice([nn.ReLU, nn.Tanh]), {})


def test_nodes_that_mutators_change_have_the_labels_of_their_choices() -> None:
    model = torch.nn.Sequential(nn.Linear(3, 3), nn.Placeholder("act"))
    engine = GraphEngine(model, [ChangeActivation("change")])
    labels = mutated_nodes(engine)
    assert labels == {"1": tuple(choice.label for choice in engine.space)}
    (box,) = (box for box in space_drawing(model, engine.space, labels=labels).boxes if box.path == "1")
    assert box.labels == labels["1"]


@pytest.mark.slow
def test_a_large_space_is_drawn_within_bounds() -> None:
    model = MobileNetV3Space()
    space = extract_space(model)
    drawing = space_drawing(model, space)
    assert len(drawing.boxes) < 900
    assert set(drawing.labels) == {choice.label for choice in space}
    architecture = space.sample(random.Random(0)).to_json()
    boxes, _ = drawing.used(architecture)
    assert 0 < sum(boxes) < len(boxes)


@pytest.mark.slow
def test_a_space_of_cells_is_drawn_within_bounds() -> None:
    drawing = drawn(NasBench201())
    assert len(drawing.boxes) < 900
    assert len(drawing.labels) == 6


def test_a_drawing_that_would_be_too_large_shows_fewer_levels_or_is_refused() -> None:
    full, small = drawn(Net()), drawn(Net(), max_boxes=20)
    assert len(small.boxes) <= 20 < len(full.boxes)
    with pytest.raises(GraphError, match="at most 3 are drawn"):
        drawn(Net(), max_boxes=3)
