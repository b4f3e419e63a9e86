"""`Nb201Table`: build, verify and describe the table of NAS-Bench-201."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar

from retiarii.benchmarks._tables._nats.nats_statistics import DATASETS
from retiarii.benchmarks._tables._nats.nats_table import NatsTable
from retiarii.benchmarks._tables.download import Download
from retiarii.benchmarks.nasbench201._cell_codes import LABELS, NUM_CELLS, PRIMITIVES
from retiarii.benchmarks.nasbench201._nb201_database import NB201, NB201_FILE
from retiarii.benchmarks.nasbench201._nb201_records import EPOCHS
from retiarii.space import Categorical, SearchSpace


class Nb201Table(NatsTable):
    """The table of NAS-Bench-201: 15,625 cells, 4 datasets, 12 and 200 epochs, up to 3 seeds.

    Reference:
        Dong and Yang (2020), arXiv:2001.00326; the files are those of NATS-Bench (Dong et al., 2021),
        arXiv:2009.00437, topology space.
    """

    name = "nasbench201"
    title = "NAS-Bench-201"
    num_architectures = NUM_CELLS
    file = NB201_FILE
    nats = NB201
    labels: ClassVar = LABELS
    known_best_test: ClassVar = {"cifar10": 94.3733, "cifar100": 73.5133, "imagenet16-120": 47.3111}
    facts = MappingProxyType(
        {
            "paper": "Dong and Yang (2020), arXiv:2001.00326; NATS-Bench, arXiv:2009.00437 (topology space)",
            "files": "NATS-tss-v1_0-3ffb9-simple (folder or tar), from https://github.com/D-X-Y/NATS-Bench",
            "licence": "MIT",
            "datasets": ", ".join(DATASETS),
            "epochs": " and ".join(map(str, EPOCHS)),
        }
    )
    downloads = (
        Download(
            "NATS-tss-v1_0-3ffb9-simple.tar",
            by_hand="Open https://drive.google.com/file/d/17_saCsj_krKjlCBLOJEpNtzPXArMCqxU/view in a browser. It is "
            "the address in https://github.com/D-X-Y/NATS-Bench; Google Drive asks before it gives large files.",
        ),
    )

    @property
    def space(self) -> SearchSpace:
        """The cells, with the labels ``cell/0_1``, ... of `retiarii.hub.pytorch.NasBench201`."""
        return SearchSpace([Categorical(label, tuple(PRIMITIVES), by_index=True) for label in LABELS.values()])
