"""Write the tables of names in ``docs/coming-from-nni.md``, from the table that old scripts run with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from retiarii.compat._nni_row import Row
from retiarii.compat._nni_table import CONTINUED, MODULES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "coming-from-nni.md"
START, END = "<!-- names: make stubs -->\n", "<!-- end of names -->\n"

# How to write what stands for a name only while old scripts run.
WRITTEN = {
    "ModelSpace": "`@model_wrapper` before `class Net(nn.Module)`",
    "BaseModelSpace": "`@model_wrapper` before `class Net(nn.Module)`",
    "MutableModule": "`nn.Module`; choices are found as attributes",
    "ParametrizedModule": "`@basic_unit` before `class Unit(nn.Module)`",
    "NasExperiment": "`retiarii.RetiariiExperiment(model, evaluator, strategy=strategy)`",
    "NasExperimentConfig": '`retiarii.RetiariiExeConfig("local")`',
    "choice": "`retiarii.nn.pytorch.ValueChoice(choices, label=label)`, of modules `LayerChoice`",
    "uniform": "`retiarii.nn.pytorch.FloatRange(low, high, label=label)`",
    "loguniform": "`retiarii.nn.pytorch.FloatRange(low, high, log=True, label=label)`",
    "quniform": "`retiarii.nn.pytorch.ValueChoice`, or `IntegerRange(low, high, step)`",
    "qloguniform": "`retiarii.nn.pytorch.ValueChoice` with a `prior`",
    "Numerical": "`retiarii.nn.pytorch.FloatRange`",
    "ensure_frozen": "`retiarii.nn.pytorch.ModelParameterChoice(choices, label=label)`",
    "GumbelDARTS": "`retiarii.strategy.GumbelDARTS`",
    "convert_to_graph": "`retiarii.graph.convert_to_graph(module)`",
}


def table() -> str:
    """Return the two tables: of names, and of arguments that differ."""
    lines = ["| NNI | names | here |", "|---|---|---|"]
    for module, names in MODULES.items():
        lines += [f"| `{module}` | {listed} | {ours} |" for listed, ours in _grouped(module, names)]
    lines += ["", "Arguments that differ:", "", "| NNI | here |", "|---|---|"]
    lines += dict.fromkeys(_arguments())
    return "\n".join(lines) + "\n"


def _grouped(module: str, names: Mapping[str, str | Row]) -> Iterator[tuple[str, str]]:
    """Yield the names of a module that are found in one place, with the place."""
    places: dict[str, list[str]] = {}
    for name, row in names.items():
        target, _, ours = (row.target if isinstance(row, Row) else row).partition(":")
        place = WRITTEN[name] if "._" in target else f"`{target}`" if ours == name else f"`{target}.{ours}`"
        places.setdefault(place, []).append(name)
    if module in CONTINUED:
        prefix, target = CONTINUED[module]
        places.setdefault(f"`{target}`" + (f", without `{prefix}`" if prefix else ""), []).append(f"{prefix}Conv2d")
    for place, listed in places.items():
        more = ", and all other layers" if listed[-1].endswith("Conv2d") else ""
        yield ", ".join(f"`{name}`" for name in listed) + more, place


def _arguments() -> Iterator[str]:
    for names in MODULES.values():
        for name, row in names.items():
            if isinstance(row, Row):
                yield from (f"| `{name}({line} |" for line in _differences(row))


def _differences(row: Row) -> Iterator[str]:
    yield from (f"{theirs}=...)` | `{ours}=...`" for theirs, ours in row.renamed.items())
    yield from (f"{name}={value!r})` by default | given by `retiarii.compat`" for name, value in row.defaults.items())
    yield from (f"{name}=...)` | no effect: {reason}" for name, reason in row.ignored.items())
    yield from (f"{name}=...)` | refused: {reason}" for name, reason in row.refused.items())


def page() -> str:
    """Return the page with the tables as they should be."""
    before, _, rest = PAGE.read_text().partition(START)
    return f"{before}{START}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page())
