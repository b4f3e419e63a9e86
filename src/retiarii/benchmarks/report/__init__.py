"""Compare strategies on benchmarks: many seeds in parallel, tables with standard errors, and curves of regret.

`compare` runs strategies in simulated time and returns a `Comparison`: its `Comparison.table`, its `Comparison.plot`,
the `Standing` of each strategy after any budget, and every `SimulatedSearch`. Nothing is trained here, and torch is
imported only by strategies that need it. Plots need ``pip install "retiarii[plot]"``.
"""

from retiarii.benchmarks.report._compare import compare
from retiarii.benchmarks.report._comparison import Comparison, Standing, plot_regret
from retiarii.benchmarks.report._simulated_search import SimulatedSearch

__all__ = ["Comparison", "SimulatedSearch", "Standing", "compare", "plot_regret"]
