"""`NatsSizeTable`: describe the table of NATS-Bench's size space."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar

from retiarii.benchmarks._tables._nats.nats_statistics import DATASETS
from retiarii.benchmarks._tables._nats.nats_table import NatsTable
from retiarii.benchmarks._tables.download import Download
from retiarii.benchmarks.nats_size._layer_channels import CHANNELS, LAYERS, NUM_SIZES
from retiarii.benchmarks.nats_size._nats_size_query import NATS_SIZE
from retiarii.benchmarks.nats_size._nats_size_records import EPOCHS
from retiarii.space import Categorical, SearchSpace


class NatsSizeTable(NatsTable):
    """The table of NATS-Bench's size space: 32,768 architectures, 4 datasets, 1, 12 and 90 epochs.

    The trainings of 12 epochs have three seeds, the others one. `NatsSizeTable.verify` compares the average test
    accuracy of all architectures on CIFAR-10 after 90 epochs, 91.0855 %, to two decimals: the authors publish no best
    accuracy with its digits.

    Reference:
        Dong et al. (2021), arXiv:2009.00437, section 3.2: eight numbers of channels for each of five layers. The
        average is in the notebook ``notebooks/NATS-Bench/issue-97.ipynb`` of https://github.com/D-X-Y/AutoDL-Projects.
    """

    name = "nats_size"
    title = "NATS-Bench (size)"
    num_architectures = NUM_SIZES
    file = NATS_SIZE.file
    nats = NATS_SIZE
    known_mean_test: ClassVar = {"cifar10": 91.0855}
    labels: ClassVar = dict(zip(LAYERS, LAYERS, strict=True))
    facts = MappingProxyType(
        {
            "paper": "Dong et al. (2021), NATS-Bench, arXiv:2009.00437 (size space)",
            "files": "NATS-sss-v1_0-50262-simple (folder or tar), from https://github.com/D-X-Y/NATS-Bench",
            "licence": "MIT",
            "datasets": ", ".join(DATASETS),
            "epochs": ", ".join(map(str, EPOCHS)),
        }
    )
    downloads = (
        Download(
            "NATS-sss-v1_0-50262-simple.tar",
            by_hand="Open https://drive.google.com/file/d/1scOMTUwcQhAMa_IMedp9lTzwmgqHLGgA/view in a browser. It is "
            "the address in https://github.com/D-X-Y/NATS-Bench; Google Drive asks before it gives large files.",
        ),
    )

    @property
    def space(self) -> SearchSpace:
        """The channels of the five layers, with the labels ``layer1`` to ``layer5``."""
        return SearchSpace([Categorical(layer, CHANNELS) for layer in LAYERS])
