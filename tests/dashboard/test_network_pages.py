"""The pages of one architecture and of one-shot searches, in a browser."""

import json
import math

import pytest
from written_experiments import SPACE, write_experiment

from retiarii.dashboard._reading.architecture_view import architecture_view, read_drawing, totals
from retiarii.drawing import Arrow, Box, Drawing, NodeCost, Scene, Selector
from retiarii.space import Architecture, Categorical, SearchSpace
from retiarii.storage import EpochRecord, ExperimentState, open_store
from retiarii.trial import Trial, TrialState

EVIL = "<img src=x onerror=alert(1)>"


def drawing():
    """The drawing of a network whose label 'cell/op' has a box for each candidate."""
    values = ("conv3x3", "conv5x5", "max_pool", "skip")
    inner = Scene([Box("in", "input", category="io")])
    for index, value in enumerate(values):
        when = Selector("cell/op", (value,))
        title = f"{value}: {EVIL if value == 'skip' else 'Module'}"
        inner.boxes.append(
            Box(value, title, category="conv", when=when, path=f"op.{value}", num_params=1000 * (index + 1))
        )
        inner.arrows += [Arrow("in", value, when=when), Arrow(value, "out", when=when)]
    inner.boxes.append(Box("out", "output", category="io"))
    scene = Scene(
        [
            Box("0", "x", category="io"),
            Box("1", "LayerChoice 'cell/op'", category="choice", labels=("cell/op",), inner=inner, path="op"),
            Box("2", "head: Linear", "64 -> 10", "linear", path="head", num_params=650),
            Box("3", "output", category="io"),
        ],
        [Arrow("0", "1"), Arrow("1", "2"), Arrow("2", "3")],
    )
    costs = {"op.conv3x3": NodeCost((1, 64), 123456.0), "head": NodeCost((1, 10), 1280.0)}
    return Drawing.of(scene, f"Net {EVIL}").with_costs(costs, (1, 3, 8, 8))


def epoch(number):
    share = 0.5 + 0.02 * number
    labels = [f"op{index}" for index in range(9)] + [EVIL]
    record = {
        "probabilities": {label: {'"conv"': share, f'"{EVIL}"': 1 - share} for label in labels},
        "entropy": dict.fromkeys(labels, -share * math.log(share) - (1 - share) * math.log(1 - share)),
        "max_entropy": dict.fromkeys(labels, math.log(2)),
        "sampled": [dict.fromkeys(labels, "conv"), dict.fromkeys(labels, EVIL)],
        "temperature": None,
    }
    return EpochRecord(number, record, {"train_loss": 1 / (number + 1), "val_acc": 0.02 * number})


@pytest.fixture(scope="module")
def address(module_store, serve):
    for name in ("drawn", "bare", "failed", "damaged", "supernet"):
        write_experiment(module_store, name, num_trials=12)
    module_store.write_drawing("drawn", {"drawing": drawing().to_json()})
    module_store.write_drawing("failed", {"problem": f"The model could not be drawn: {EVIL}"})
    module_store.write_drawing("damaged", {"drawing": {"boxes": [1]}})
    write_experiment(module_store, "empty", num_trials=0, state=ExperimentState.RUNNING)
    for number in range(3):
        module_store.write_epoch("supernet", epoch(number))
    return serve(module_store).address + "/experiments"


def test_the_best_architecture_is_marked_and_another_can_be_chosen(module_store, address, page):
    best = module_store.best_trials("drawn", 2)
    page.goto(f"{address}/drawn/architecture")
    chosen = page.locator(".nn-on[data-box]")
    chosen.wait_for()
    assert chosen.locator("title").text_content().startswith(best[0].architecture["cell/op"])
    assert page.locator(".nn-off[data-box]").count() == 3
    assert page.get_by_role("table", name="Choices of this architecture").get_by_role("row").count() == 5
    assert page.locator("img").count() == 0

    page.get_by_label("head: Linear").focus()
    fact = page.locator(".network-fact")
    fact.get_by_text("650 parameters · 1,280 FLOPs").wait_for()
    stage = page.get_by_role("region", name="Drawing of Net")
    stage.focus()
    before = page.locator(".network-scale").text_content()
    page.keyboard.press("+")
    page.wait_for_function("before => document.querySelector('.network-scale').textContent !== before", arg=before)

    with page.expect_download() as download:
        page.get_by_role("button", name="Download JSON").click()
    assert json.loads(download.value.path().read_text()) == best[0].architecture.to_json()

    page.get_by_label("Best trials").select_option(str(best[1].number))
    page.wait_for_url(f"**/architecture?trial={best[1].number}")
    page.get_by_role("link", name=f"Trial {best[1].number}", exact=True).wait_for()
    page.get_by_label("Any trial").fill("999")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_text("This experiment has no trial 999.").wait_for()


def test_without_a_drawing_the_choices_are_a_table_and_the_page_says_why(address, new_page):
    page = new_page(width=390, dark=True)
    for name, sentence in (("bare", None), ("failed", f"could not be drawn: {EVIL}"), ("damaged", "cannot be read")):
        page.goto(f"{address}/{name}/architecture")
        table = page.get_by_role("table", name="Choices of the search space")
        table.get_by_text("Net.cell").or_(table.get_by_text("cell/op")).first.wait_for()
        if sentence:
            page.get_by_text(sentence).wait_for()
        assert page.locator("img").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.goto(f"{address}/empty/architecture")
    page.get_by_text("No architecture yet").wait_for()


def test_a_new_epoch_of_a_supernet_appears_without_reload(module_store, address, page):
    page.goto(f"{address}/supernet/oneshot")
    page.get_by_text("Probability of every candidate").wait_for()
    epochs = page.locator(".stat", has_text="Epochs").locator("dd").first
    assert epochs.text_content() == "3"
    page.locator(".js-plotly-plot").nth(3).wait_for()
    page.get_by_label("Label", exact=True).select_option(EVIL)
    page.get_by_role("table", name="Candidates of").get_by_text(EVIL).wait_for()
    page.get_by_role("button", name="Show all 10 labels").click()
    page.get_by_role("button", name="Show 8 labels").wait_for()
    module_store.write_epoch("supernet", epoch(3))
    page.wait_for_function("document.querySelector('.stat dd').textContent === '4'")
    assert page.get_by_label("Label", exact=True).input_value() == EVIL
    assert page.locator("img").count() == 0
    page.goto(f"{address}/bare/oneshot")
    page.get_by_text("Multi-trial strategies have trials instead").wait_for()


def test_totals_count_each_used_part_once(module_store, address):
    made = drawing()
    found = totals(made, {"cell/op": "conv3x3"})
    assert (found.num_params, found.flops, found.has_all_params) == (1650, 124736.0, True)
    assert totals(made, {"cell/op": "skip"}).num_params == 4650


def test_reading_a_drawing_says_what_is_wrong(tmp_path):
    store = open_store(tmp_path / "a.db")
    write_experiment(store, "one", num_trials=1)
    assert read_drawing(store, "one") == ""
    store.write_drawing("one", {"drawing": drawing().to_json()})
    assert isinstance(read_drawing(store, "one"), Drawing)
    store.write_drawing("one", {"problem": 3})
    assert "cannot be read" in str(read_drawing(store, "one"))


def test_choices_of_the_evaluator_are_apart(tmp_path):
    store = open_store(tmp_path / "a.db")
    space = SearchSpace([*SPACE, Categorical("lr", values=(0.1, 0.2))])
    write_experiment(store, "one", num_trials=0, space=space, config={"evaluator_labels": ["lr"]})
    trial = Trial(0, Architecture({"width": 8, "lr": 0.1}), state=TrialState.RUNNING)
    store.write("one", trials=[trial])
    view = architecture_view(store, "one", 0)
    assert (view.choices, view.of_model) == ({"width": 8, "lr": 0.1}, {"width": 8})
    assert architecture_view(store, "one", 5).problem == "This experiment has no trial 5."
    assert len(view.space) == 5
