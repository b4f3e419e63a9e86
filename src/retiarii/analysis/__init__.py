"""What the trials of an experiment say, as numbers: no drawing, no torch.

A `TrialTable` holds the trials of one experiment as columns. The functions beside it compute from these columns what
plots, the dashboard and commands show.
"""

from retiarii.analysis._best_so_far import BestSoFar, Over, best_so_far, seconds_in
from retiarii.analysis._candidate_results import CandidateResult, candidate_results
from retiarii.analysis._data_frame import FIDELITY, arrow_table, data_frame
from retiarii.analysis._importance import LabelImportance, importance
from retiarii.analysis._pareto_rows import pareto_rows
from retiarii.analysis._supernet_course import LabelCourse, SampledPath, SupernetCourse, supernet_course
from retiarii.analysis._trial_selection import CHOICE, METRIC, TrialFilter, sort_columns, sorted_rows
from retiarii.analysis._trial_table import STATES, Coded, TrialTable
from retiarii.analysis._trial_table_reader import TrialTableReader, read_trial_table

__all__ = [
    "CHOICE",
    "FIDELITY",
    "METRIC",
    "STATES",
    "BestSoFar",
    "CandidateResult",
    "Coded",
    "LabelCourse",
    "LabelImportance",
    "Over",
    "SampledPath",
    "SupernetCourse",
    "TrialFilter",
    "TrialTable",
    "TrialTableReader",
    "arrow_table",
    "best_so_far",
    "candidate_results",
    "data_frame",
    "importance",
    "pareto_rows",
    "read_trial_table",
    "seconds_in",
    "sort_columns",
    "sorted_rows",
    "supernet_course",
]
