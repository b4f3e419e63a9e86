"""``retiarii benchmarks compare``: run strategies on a benchmark, with many seeds each."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retiarii.cli._counting_bar import counting_bar
from retiarii.cli._json_output import print_json
from retiarii.cli._store_access import JsonOption
from retiarii.cli._text import console
from retiarii.errors import ConfigError
from retiarii.space import nearest
from retiarii.terminal import plain

if TYPE_CHECKING:
    from retiarii.strategy import Strategy


def compare(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A benchmark, such as nasbench201.", show_default=False)],
    strategy: Annotated[
        list[str],
        typer.Option(
            help="A strategy of retiarii.strategy, with arguments if they are not the defaults: "
            "'RegularizedEvolution(population_size=10, sample_size=3)'. Repeat it for others.",
            show_default=False,
        ),
    ],
    dataset: Annotated[str | None, typer.Option(help="The dataset; the first if left out.")] = None,
    metric: Annotated[str | None, typer.Option(help="The metric that strategies see.")] = None,
    score: Annotated[str | None, typer.Option(help="The metric that is compared, such as test_acc@200.")] = None,
    fidelity: Annotated[float | None, typer.Option(help="The fidelity of trials; the highest if left out.")] = None,
    cost: Annotated[
        str, typer.Option(help="The time of a trial: measured, proportional to the fidelity, or a number of seconds.")
    ] = "measured",
    seconds: Annotated[float | None, typer.Option(help="The simulated time of each search.")] = None,
    trials: Annotated[int | None, typer.Option(help="The number of trials of each search.")] = None,
    workers: Annotated[int, typer.Option(help="How many trials are evaluated at a time.")] = 1,
    seeds: Annotated[int, typer.Option(help="How many searches each strategy gets.")] = 100,
    direction: Annotated[str, typer.Option(help="maximize or minimize.")] = "maximize",
    processes: Annotated[int | None, typer.Option(help="How many processes; one for each core if left out.")] = None,
    save: Annotated[Path | None, typer.Option(help="A file that keeps every search, and that is continued.")] = None,
    plot: Annotated[Path | None, typer.Option(help="A file for the curves of regret, such as regret.svg.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare strategies on a benchmark in simulated time: many seeds, in parallel.

    Prints the mean score of what the searches found within the limit, its standard error, and the regret.

    Raises:
        ConfigError: An argument has an impossible value.
        BenchmarkError: The table is not there, or a process was killed.
    """
    from retiarii.benchmarks import get_benchmark
    from retiarii.benchmarks.report import compare as run

    strategies = {text: _strategy(text) for text in strategy}
    evaluator = get_benchmark(name).evaluator(dataset, metric=metric, metrics=[], fidelity=fidelity, cost=_cost(cost))
    with counting_bar("searches") as show:
        found = run(
            strategies,
            evaluator,
            score=score,
            seconds=seconds,
            trials=trials,
            workers=workers,
            seeds=seeds,
            direction=direction,
            processes=processes,
            save=save,
            on_progress=show,
        )
    if plot is not None:
        found.plot(plot)
    if as_json:
        print_json(found.to_json())
    else:
        console().print(plain(found.table("markdown" if markdown else "text")), soft_wrap=True)


def _strategy(text: str) -> Strategy:
    """Return a strategy from its name, or from a call with plain arguments; no code is run but its constructor."""
    from retiarii import strategy as strategies

    name, arguments = _parsed(text)
    known = [
        other
        for other in strategies.__all__
        if isinstance(made := getattr(strategies, other), type) and _is_strategy(made)
    ]
    if name not in known:
        raise ConfigError(f"The strategy {name!r} is unknown, expected one of {known}.{nearest(name, known)}")
    try:
        made = getattr(strategies, name)(**arguments)
    except TypeError as err:
        raise ConfigError(f"The strategy {text!r} cannot be made ({err}).") from err
    assert isinstance(made, strategies.Strategy)
    return made


def _is_strategy(kind: type) -> bool:
    from retiarii.strategy import SearchWrapper, Strategy

    return issubclass(kind, Strategy) and kind not in (Strategy, SearchWrapper)


def _parsed(text: str) -> tuple[str, dict[str, Any]]:
    try:
        node = ast.parse(text.strip(), mode="eval").body
        if isinstance(node, ast.Name):
            return node.id, {}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
            return node.func.id, {str(each.arg): ast.literal_eval(each.value) for each in node.keywords if each.arg}
    except (SyntaxError, ValueError):
        pass
    raise ConfigError(
        f"The strategy is {text!r}, expected a name with arguments, as in 'RegularizedEvolution(population_size=10)'."
    )


def _cost(text: str) -> str | float:
    """Return the number in a text, or the text."""
    try:
        return float(text)
    except ValueError:
        return text
