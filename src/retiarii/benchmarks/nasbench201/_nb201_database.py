"""`NB201`: NAS-Bench-201 as the topology space of NATS-Bench, with the file of its table."""

from __future__ import annotations

from retiarii.benchmarks._tables._nats.nats_database import nats_file
from retiarii.benchmarks._tables._nats.nats_space import NatsSpace
from retiarii.benchmarks.nasbench201._cell_codes import (
    NUM_CELLS,
    cell_of_number,
    number_of_cell,
    number_of_published,
)
from retiarii.benchmarks.nasbench201._nb201_records import EPOCHS

NB201_FILE = nats_file("nasbench201", "NAS-Bench-201", application_id=0x6E623230)  # "nb20"
"""The file of the table."""

NB201 = NatsSpace(
    word="topology",
    folder="NATS-tss-v1_0-3ffb9-simple",
    num_architectures=NUM_CELLS,
    epochs=EPOCHS,
    number_of=number_of_cell,
    architecture=cell_of_number,
    number_of_published=number_of_published,
    file=NB201_FILE,
)
