"""``retiarii profile``: the costs of a model space, or of one of its architectures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retiarii.cli._json_output import print_json
from retiarii.cli._store_access import JsonOption, at_least
from retiarii.cli._text import console, plain_table
from retiarii.errors import ConfigError
from retiarii.terminal import plain, visible_line

if TYPE_CHECKING:
    from retiarii.profiler import NetworkProfile, SpaceProfile

_BYTES = ("B", "KiB", "MiB", "GiB", "TiB")
_COUNTS = ("", "K", "M", "G", "T", "P")


def profile(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="FILE.py:NAME, MODULE:NAME or hub:NAME: a class, function or model.",
            show_default=False,
        ),
    ],
    shape: Annotated[
        str | None,
        typer.Option("--input", metavar="1,3,224,224", help="The shape of a batch of input.", show_default=False),
    ] = None,
    architecture: Annotated[
        Path | None,
        typer.Option(
            "--architecture", metavar="FILE", help="Show the modules of one architecture.", show_default=False
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option("--samples", parser=at_least(1), metavar="N", help="How many random architectures.")
    ] = 200,
    latency: Annotated[bool, typer.Option("--latency", help="Measure the time of forward passes.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show parameters, FLOPs, memory and latency of a model space.

    Without [bold]--architecture[/]: the smallest, median and largest of random architectures. Without [bold]--input[/]:
    parameters only. The file or module is run, as Python runs it when it is imported.

    Raises:
        ConfigError: There is no such model, or it cannot be made without arguments, or the shape is wrong.
        ArchitectureError: The architecture does not fit the model.
    """
    size = None if shape is None else _shape(shape)
    if architecture is not None and size is None:
        raise ConfigError("--architecture needs --input, the shape of a batch of input, such as --input 1,3,32,32.")
    from retiarii.cli._profile_model import profiled_network, profiled_space

    if architecture is None:
        found: Any = profiled_space(target, size, samples, latency)
        show = _print_space
    else:
        assert size is not None
        found = profiled_network(target, size, architecture, latency)
        show = _print_network  # type: ignore[assignment]  # of the other kind
    if as_json:
        print_json(found.to_json())
    else:
        show(target, found)


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise ConfigError(f"--input is {text!r}, expected whole numbers above 0, such as 1,3,224,224.")
    return shape


def _print_space(target: str, found: SpaceProfile) -> None:
    out = console()
    out.print(plain(f"{visible_line(target)}: {found.size_text}\n"), soft_wrap=True)
    table = plain_table("cost", "smallest", "median", "largest", "of", "built", right=("smallest", "median", "largest"))
    for name, cost in found.costs.items():
        values = [amount(name, value) for value in (cost.smallest, cost.median, cost.largest)]
        table.add_row(name, *values, f"{cost.samples:,} architectures", f"{cost.built:,}")
    out.print(table)
    if "flops" not in found.costs:
        out.print(plain("\nGive --input, the shape of a batch, to see FLOPs and memory too.", style="dim"))


def _print_network(target: str, found: NetworkProfile) -> None:
    out = console()
    columns = ("module", "class", "output", "params", "FLOPs", "activations")
    table = plain_table(*columns, right=("params", "FLOPs", "activations"))
    for row in found.modules:
        shape = "-" if row.output_shape is None else "x".join(map(str, row.output_shape))
        costs = amount("params", row.params), amount("flops", row.flops), amount("bytes", row.activation_bytes)
        table.add_row(visible_line(row.name or "(itself)"), visible_line(row.kind), shape, *costs)
    out.print(table)
    out.print()
    totals: Mapping[str, float] = {
        "params": found.params,
        "flops": found.flops,
        "activation_bytes": found.activation_bytes,
        "inference_bytes": found.inference_bytes,
        "training_bytes": found.training_bytes,
    }
    for name, value in totals.items():
        out.print(plain(f"{name:17} {amount(name, value)}"))
    if found.latency is not None:
        place = f"{found.latency.device}, {found.latency.threads} threads, batch of {found.latency.batch_size}"
        out.print(plain(f"{'latency':17} {found.latency} on {place}"), soft_wrap=True)


def amount(name: str, value: float) -> str:
    """Return a cost with the unit that its name says."""
    if name.endswith("_ms"):
        return f"{value:.3g} ms"
    is_memory = name.endswith("bytes")
    step, units = (1024, _BYTES) if is_memory else (1000, _COUNTS)
    index = 0
    while value >= step and index < len(units) - 1:
        value, index = value / step, index + 1
    digits = f"{value:.0f}" if index == 0 else f"{value:.2f}"
    return f"{digits} {units[index]}".strip()
