"""Write the tables of names in ``docs/coming-from-nni.md``, from the table that old scripts run with.

``make names`` does so, after a change of ``compat/_nni_table.py``; a test compares the page with the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from retiarii.compat._nni_row import Row
from retiarii.compat._nni_table import CONTINUED, MODULES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "coming-from-nni.md"
START, END = "<!-- names: make names -->\n", "<!-- end of names -->\n"

# Headings, with the modules that they are about; a module belongs to the first heading that has it or a parent of it.
GENERATIONS: Mapping[str, tuple[str, ...]] = {
    "NNI 1.x": ("nni.nas.pytorch", "nni.nas.tensorflow", "nni.algorithms"),
    "NNI 3.0": ("nni.nas", "nni.mutable"),
    "NNI 2.x": ("nni.retiarii",),
    "`nni` itself": ("nni",),
}
ORDER = ("NNI 1.x", "NNI 2.x", "NNI 3.0", "`nni` itself")

# How to write a name whose equivalent is inside of retiarii.compat, and exists only while old scripts run.
WRITTEN = {
    "ModelSpace": "`@model_wrapper` before `class Net(nn.Module)`",
    "BaseModelSpace": "`@model_wrapper` before `class Net(nn.Module)`",
    "MutableModule": "`nn.Module`; choices are found as attributes",
    "ParametrizedModule": "`@basic_unit` before `class Unit(nn.Module)`",
    "NasExperiment": "`retiarii.RetiariiExperiment(model, evaluator, strategy=strategy)`",
    "NasExperimentConfig": '`retiarii.RetiariiExeConfig("local")`',
    "choice": "`retiarii.nn.pytorch.ValueChoice(choices, label=label)`; for modules, `LayerChoice`",
    "uniform": "`retiarii.nn.pytorch.FloatRange(low, high, label=label)`",
    "loguniform": "`retiarii.nn.pytorch.FloatRange(low, high, log=True, label=label)`",
    "quniform": "`retiarii.nn.pytorch.ValueChoice`, or `IntegerRange(low, high, step)`",
    "qloguniform": "`retiarii.nn.pytorch.ValueChoice` with a `prior`",
    "Numerical": "`retiarii.nn.pytorch.FloatRange`",
    "ensure_frozen": "`retiarii.nn.pytorch.ModelParameterChoice(choices, label=label)`",
    "GumbelDARTS": "`retiarii.strategy.GumbelDARTS(gumbel_temperature=..., use_temp_anneal=True, min_temp=...)`",
    "convert_to_graph": "`retiarii.graph.convert_to_graph(module)`",
}


def page() -> str:
    """Return the page with the tables as they should be."""
    before, _, rest = PAGE.read_text().partition(START)
    return f"{before}{START}\n{tables()}\n{END}{rest.partition(END)[2]}"


def tables() -> str:
    """Return the headings and tables of all generations."""
    return "\n".join(section for generation in ORDER if (section := _section(generation)))


def generation_of(module: str) -> str:
    """Return the heading that a module of NNI belongs to."""
    return next(
        heading
        for heading, roots in GENERATIONS.items()
        if any(module == root or module.startswith(f"{root}.") for root in roots)
    )


def _section(generation: str) -> str:
    modules = {module: names for module, names in MODULES.items() if generation_of(module) == generation}
    if not any(modules.values()):
        return ""
    lines = [f"### Names of {generation}", ""]
    lines += ["| NNI's names | here | NNI's module, or below |", "|---|---|---|", *_names(modules)]
    if arguments := list(_arguments(modules.values())):
        lines += ["", "Arguments that differ:", "", "| NNI | here |", "|---|---|", *arguments]
    return "\n".join(lines) + "\n"


def _names(modules: Mapping[str, Mapping[str, str | Row]]) -> Iterator[str]:
    """Yield a line for each module of ours with all its names, then one for each name that is written differently."""
    places: dict[str, dict[str, list[str]]] = {}
    for module, names in modules.items():
        for name, row in names.items():
            places.setdefault(_place(name, row), {}).setdefault(f"`{name}`", []).append(module)
        if module in CONTINUED:
            prefix, ours = CONTINUED[module]
            place = f"`{ours}`" + (f", without `{prefix}`" if prefix else "")
            places.setdefault(place, {}).setdefault(f"`{prefix}Conv2d` and all other layers", []).append(module)
    for place, found in sorted(places.items(), key=lambda item: (-len(item[1]), item[0])):
        listed = sorted(found, key=lambda name: (" " in name, name.strip("`")))
        yield f"| {', '.join(listed)} | {place} | {_roots(found.values())} |"


def _place(name: str, row: str | Row) -> str:
    module, _, ours = (row.target if isinstance(row, Row) else row).partition(":")
    if "._" not in module:
        return f"`{module}`" if ours == name else f"`{module}.{ours}`"
    if name not in WRITTEN:
        raise SystemExit(
            f"{name} stands for {module}.{ours}, which is private. Say in WRITTEN of {__file__} what to write."
        )
    return WRITTEN[name]


def _roots(modules: Iterable[Iterable[str]]) -> str:
    """Return modules in code font, without those below another one."""
    distinct = dict.fromkeys(module for several in modules for module in several)
    roots = [module for module in distinct if not any(module.startswith(f"{other}.") for other in distinct)]
    return ", ".join(f"`{module}`" for module in roots)


def _arguments(modules: Iterable[Mapping[str, str | Row]]) -> Iterator[str]:
    """Yield a line for each difference between arguments, with all the names that have it."""
    rows: dict[tuple[str, str], dict[str, None]] = {}
    for name, row in (entry for names in modules for entry in names.items()):
        for difference in _differences(row) if isinstance(row, Row) else ():
            rows.setdefault(difference, {})[f"`{name}`"] = None
    for (theirs, ours), names in rows.items():
        yield f"| {', '.join(names)}: {theirs} | {ours} |"


def _differences(row: Row) -> Iterator[tuple[str, str]]:
    yield from ((f"`{theirs}=`", f"`{ours}=`") for theirs, ours in row.renamed.items())
    yield from (
        (f"`{name}={value!r}` by default", f"give `{name}={value!r}`; old scripts get it by themselves")
        for name, value in row.defaults.items()
    )
    yield from ((f"`{name}=`", f"no effect: {reason}") for name, reason in row.ignored.items())
    yield from ((f"`{name}=`", f"refused: {reason}") for name, reason in row.refused.items())


if __name__ == "__main__":
    PAGE.write_text(page())
