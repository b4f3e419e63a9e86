"""Supernets under PyTorch Lightning. Needs ``pip install "retiarii[lightning]"``.

`fit_supernet` trains any Lightning module as a supernet. What it is made of: `join_search` puts the supernet into a
module and its `SearchCallback` into a trainer, and `collected_logs` keeps architecture steps out of the logs.
"""

from retiarii.oneshot._drivers.lightning_callback import SearchCallback, fit_supernet, join_search
from retiarii.oneshot._drivers.lightning_steps import collected_logs

__all__ = ["SearchCallback", "collected_logs", "fit_supernet", "join_search"]
