"""Record what networks are frozen, extracted and exported to, and what seeded one-shot searches learn.

A change that is not meant to change a network or a search leaves these files as they are. Run this file after one that
is meant to, and say so in the changelog. Names of networks or strategies as arguments record those alone.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from golden_networks import NETWORKS, Network

import retiarii.nn.pytorch as nn
from retiarii.errors import RetiariiError
from retiarii.graph import GraphEngine, export_code
from retiarii.oneshot import (
    DARTS,
    ENAS,
    PCDARTS,
    DrNAS,
    GumbelDARTS,
    Proxyless,
    RandomOneShot,
    SearchLoop,
    build_supernet,
    subnet,
)
from retiarii.testing.networks import executed

HERE = Path(__file__).parent
SEED = 20_241_130
STRATEGIES = {
    "random": RandomOneShot(),
    "enas": ENAS(ctrl_steps_aggregate=1, arc_learning_rate=0.05),
    "darts": DARTS(arc_learning_rate=0.1),
    "darts_unrolled": DARTS(arc_learning_rate=0.1, unrolled=True),
    "gumbel_darts": GumbelDARTS(arc_learning_rate=0.1, use_temp_anneal=True),
    "proxyless": Proxyless(arc_learning_rate=0.1),
    "dr_nas": DrNAS(arc_learning_rate=0.1),
    "pc_darts": PCDARTS(arc_learning_rate=0.1, channel_share=2),
}
SEARCHED = ("widths", "nested", "skips", "subsets", "darts_cells")
NUM_STEPS = 3


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def of_machine() -> str:
    """Return a digest of random weights: where it differs from the recorded one, torch draws other numbers."""
    torch.manual_seed(SEED)
    layers = torch.nn.Conv2d(7, 9, 3), torch.nn.Linear(33, 17)
    return digest(b"".join(weight.detach().numpy().tobytes() for layer in layers for weight in layer.parameters()))


def of_state(network: torch.nn.Module) -> dict[str, str]:
    """Return digests of the names and shapes, and of the names and bytes, of a state dict."""
    state = network.state_dict()
    names = json.dumps([[name, list(tensor.shape), str(tensor.dtype)] for name, tensor in state.items()])
    values = b"".join(name.encode() + tensor.contiguous().numpy().tobytes() for name, tensor in state.items())
    return {"names": digest(names.encode()), "bytes": digest(values)}


def of_output(network: torch.nn.Module, size: tuple[int, ...]) -> list[float]:
    """Return a few numbers of what a network computes, in evaluation mode and in double precision."""
    torch.manual_seed(SEED)
    x = torch.rand(size, dtype=torch.float64)
    with torch.no_grad():
        output = network.double().eval()(x).flatten()
    return [*output[:4].tolist(), output.sum().item(), output.square().sum().item()]


def seeded(make: Callable[[], Any]) -> Any:
    torch.manual_seed(SEED)
    return make()


def frozen(network: Network, architecture: Any) -> torch.nn.Module:
    base = seeded(network.make)
    mutators = network.mutators()
    return GraphEngine(base, mutators).build(architecture) if mutators else nn.freeze(base, architecture)


def built(network: Network, architecture: Any) -> torch.nn.Module:
    with nn.fixed_arch(architecture, verbose=False, strict=False):
        return seeded(network.make)


def extracted(network: Network, architecture: Any) -> torch.nn.Module:
    supernet = seeded(lambda: build_supernet(network.make()))
    return subnet(supernet, {label: architecture[label] for label in architecture if label in supernet.space})


def exported(network: Network, architecture: Any) -> torch.nn.Module:
    base, mutators = seeded(network.make), network.mutators()
    code = GraphEngine(base, mutators).code(architecture) if mutators else export_code(base, architecture)
    assert "retiarii" not in code.replace("Written by retiarii", "")
    return executed(code)


FORMS = {"freeze": frozen, "fixed_arch": built, "subnet": extracted, "export": exported}


def architectures(network: Network) -> Iterator[Any]:
    """Yield the first architecture of a network and two sampled ones."""
    base, mutators = seeded(network.make), network.mutators()
    space = GraphEngine(base, mutators).space if mutators else nn.extract_space(base)
    rng = random.Random(SEED)
    yield space.default()
    yield space.sample(rng)
    yield space.sample(rng)


def of_form(form: str, network: Network, architecture: Any) -> dict[str, Any]:
    """Return the record of one form of an architecture; the class of the error where there is none."""
    try:
        made = FORMS[form](network, architecture)
    except RetiariiError as error:
        return {"error": type(error).__name__}
    record: dict[str, Any] = of_state(made)
    if form == "export":  # its weights are new ones: it computes what the frozen network does, with those of that
        made.load_state_dict(frozen(network, architecture).state_dict())
        del record["bytes"]
    inline = bool(network.mutators()) and form in ("fixed_arch", "subnet")  # placeholders compute nothing
    return record if inline else {**record, "output": of_output(made, network.size)}


def of_network(name: str) -> list[dict[str, Any]]:
    """Return the record of a network: for each architecture, its values and its forms."""
    network = NETWORKS[name]
    return [
        {"architecture": chosen.to_json(), **{form: of_form(form, network, chosen) for form in FORMS}}
        for chosen in architectures(network)
    ]


def of_search(strategy: str, name: str) -> dict[str, Any]:
    """Return what a search has learnt after some steps: probabilities, losses, and the architecture it names."""
    network = NETWORKS[name]
    search = STRATEGIES[strategy].search(seeded(network.make).double(), seed=SEED)
    numbers = torch.Generator().manual_seed(SEED)
    batches = [torch.rand(network.size, generator=numbers, dtype=torch.float64) for _ in range(2 * NUM_STEPS)]
    losses = []

    def loss(module: torch.nn.Module, batch: torch.Tensor) -> torch.Tensor:
        output = module(batch)
        target = torch.linspace(0, 1, output.numel(), dtype=torch.float64).reshape(output.shape)
        losses.append((output - target).square().mean())
        return losses[-1]

    loop = SearchLoop(search, loss, torch.optim.SGD(search.supernet.parameters(), lr=0.01))
    torch.manual_seed(SEED)
    (record,) = loop.run(batches[:NUM_STEPS], batches[NUM_STEPS:], 1)
    return {
        "probabilities": {label: list(shares.values()) for label, shares in record.probabilities.items()},
        "losses": [value.item() for value in losses],
        "sampled": [path.to_json() for path in record.sampled],
        "best": search.export().to_json(),
    }


def lines(value: Any) -> str:
    """Return JSON with one line for each entry of the two outer levels."""
    if isinstance(value, list):
        entries = [f" {{\n{_entries(entry)}\n }}" for entry in value]
        return "[\n" + ",\n".join(entries) + "\n]\n"
    outer = [f" {json.dumps(key)}: {{\n{_entries(entry)}\n }}" for key, entry in value.items()]
    return "{\n" + ",\n".join(outer) + "\n}\n"


def _entries(entry: dict[str, Any]) -> str:
    return ",\n".join(f"  {json.dumps(key)}: {json.dumps(inner)}" for key, inner in entry.items())


def main() -> None:
    """Write one file per network and one per strategy."""
    torch.set_num_threads(1)
    chosen = sys.argv[1:]
    for name in NETWORKS:
        if not chosen or name in chosen:
            (HERE / "networks" / f"{name}.json").write_text(lines(of_network(name)), encoding="utf-8")
    for name in STRATEGIES:
        if not chosen or name in chosen:
            traces = {network: of_search(name, network) for network in SEARCHED}
            (HERE / "searches" / f"{name}.json").write_text(lines(traces), encoding="utf-8")
    (HERE / "machine.json").write_text(json.dumps(of_machine()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
