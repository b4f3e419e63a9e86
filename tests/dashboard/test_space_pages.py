"""The pages of trade-offs and of the space in a browser."""

from written_experiments import write_experiment

from retiarii.analysis import TrialTable, candidate_results, pareto_rows
from retiarii.trial import Objectives


def test_metrics_and_limits_are_chosen(module_store, serve, page, axe):
    record = write_experiment(module_store, "aa11", num_trials=60)
    table = TrialTable.of(record, module_store.list_trials("aa11"))
    page.goto(f"{serve(module_store).address}/experiments/aa11/tradeoffs")
    rows = page.get_by_role("region", name="Trials of the front").get_by_role("rowheader")

    def numbers():
        return [int(text) for text in rows.all_inner_texts()]

    both = Objectives.of({"num_params": "minimize", "default": "maximize"})
    page.wait_for_function("n => document.querySelectorAll('tbody tr').length === n", arg=len(pareto_rows(table, both)))
    assert numbers() == table.number[pareto_rows(table, both)].tolist()
    assert "trial" in page.get_by_role("figure").get_attribute("aria-label")
    axe(page)

    turned = Objectives.of({"num_params": "maximize", "default": "maximize"})
    page.get_by_label("Horizontal metric").select_option("maximize:num_params")
    best = int(table.number[pareto_rows(table, turned)[0]])
    page.locator("tbody th").first.get_by_text(str(best), exact=True).wait_for()
    assert numbers() == table.number[pareto_rows(table, turned)].tolist()

    page.get_by_label("Vertical limit").fill("0.8")
    page.get_by_label("Vertical limit").press("Enter")
    is_good = (table.metrics["default"] >= 0.8) & (table.violation == 0) & (table.state == 1)
    page.get_by_text(f"{int(is_good.sum())} trials within the limits").wait_for()
    assert page.get_by_label("Vertical limit").input_value() == "0.8"


def test_the_candidates_of_a_choice_are_shown(module_store, serve, page, axe):
    record = write_experiment(module_store, "bb22", num_trials=40)
    table = TrialTable.of(record, module_store.list_trials("bb22"))
    page.goto(f"{serve(module_store).address}/experiments/bb22/space")
    page.get_by_text("4 labels, 144 architectures").wait_for()
    assert page.get_by_role("region", name="Choices").get_by_role("rowheader").count() == 4
    page.get_by_label("Choice", exact=True).select_option("cell/op")
    candidates = page.get_by_role("region", name="Candidates")
    candidates.get_by_role("rowheader", name="conv3x3").wait_for()
    expected = [str(one.value) for one in candidate_results(table)["cell/op"]]
    assert candidates.get_by_role("rowheader").all_inner_texts() == expected
    axe(page)
