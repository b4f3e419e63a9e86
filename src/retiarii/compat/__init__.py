"""Scripts written for NNI: `import retiarii.compat` makes ``import nni...`` find the names of this package.

::

    import retiarii.compat  # before the first import of nni
    import nni.retiarii.nn.pytorch as nn

``retiarii run old_script.py`` does the same for a script that stays as it is. The names are rows of one table
(``compat/_nni_table.py``): NNI's name, ours, and how arguments differ. Trial processes and resumed experiments get the
names too. A name without a row is an ImportError that says what comes nearest here.

An NNI that is installed is what ``import nni`` means, unless ``RETIARII_OVER_NNI=1``, or ``retiarii run --over-nni``,
says otherwise.
"""

from retiarii.compat._nni_finder import install, install_over_nni, uninstall
from retiarii.compat._run_script import run_script

__all__ = ["install", "install_over_nni", "run_script", "uninstall"]

install()
