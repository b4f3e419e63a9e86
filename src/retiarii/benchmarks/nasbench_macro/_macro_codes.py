"""Networks of NAS-Bench-Macro: eight layers, three blocks for each, and a number for each of the 6,561 networks.

Reference:
    Su et al. (2021), arXiv:2103.11922, section 4 and the authors' ``train/model.py``: stages of 2, 3 and 3 layers, the
    first of each with stride 2, and the blocks "Identity" (0), "MB3_K3" (1) and "MB6_K5" (2).
"""

from __future__ import annotations

import re

from retiarii.benchmarks._tables._formats.restricted_pickle import shown
from retiarii.benchmarks._tables.operator_codes import OperatorCodes

LAYERS = tuple(f"layer_{position}" for position in range(8))
"""The layers, from the input."""

BLOCKS = ("identity", "mb3_k3", "mb6_k5")
"""The blocks of a layer: the identity, or a MobileNetV2 block with expansion 3 and kernel 3, or 6 and 5."""

NETWORKS = OperatorCodes(LAYERS, BLOCKS, "layer")
"""The numbers of the networks, which are their published names read with base 3."""

_PUBLISHED = re.compile(r"[012]{8}", re.ASCII)


def number_of_digits(text: object) -> int:
    """Return the number of a network as the published file writes it: ``22212220``.

    Raises:
        ValueError: It is not such a network.
    """
    if not isinstance(text, str) or not _PUBLISHED.fullmatch(text):
        raise ValueError(f"it has the network {shown(text)}, expected 8 digits from 0 to 2")
    return int(text, len(BLOCKS))
