"""Searches with W&B in offline mode, in a process of their own: first interrupted, then resumed.

Prints the folder of the first process of W&B, and the warnings.
"""

import logging
import sys
from pathlib import Path

import tracked_search as tracked

from retiarii.experiment import WandbCallback

place = Path(sys.argv[1])
logging.basicConfig(format="%(message)s")
found = tracked.search(WandbCallback("digits", folder=place), place, tracked.Interrupting(2))
tracked.resume(found, WandbCallback("digits", folder=place), place)
print(found.id)
