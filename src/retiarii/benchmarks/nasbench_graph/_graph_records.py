"""Records of NAS-Bench-Graph, as queries return them: dicts with these keys."""

from __future__ import annotations

from typing import TypedDict

GRAPH_DATASETS = ("cora", "citeseer", "pubmed", "cs", "physics", "photo", "computers", "arxiv", "proteins")
RESULTS = ("valid_perf", "perf", "latency", "para")


class NbGraphConfig(TypedDict):
    """What was trained.

    Attributes:
        arch: ``links``, for each of four computing nodes the node that it takes (0 is the input), and the operators
            ``op_1`` to ``op_4``, in the form that the table has.
        dataset: ``"cora"``, ``"citeseer"``, ``"pubmed"``, ``"cs"``, ``"physics"``, ``"photo"``, ``"computers"``,
            ``"arxiv"`` or ``"proteins"``.
    """

    arch: dict[str, str]
    dataset: str


class NbGraphStats(TypedDict):
    """The results of one network: means over three seeds.

    Attributes:
        config: What was trained.
        valid_perf: The performance on the validation data, 0 to 1: the accuracy, or the area under the ROC curve on
            ``proteins``.
        perf: The performance on the test data, likewise.
        latency: The time of one pass over the graph, in seconds.
        para: The trainable parameters, in millions.
    """

    config: NbGraphConfig
    valid_perf: float
    perf: float
    latency: float
    para: float
