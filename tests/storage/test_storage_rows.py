import json
import math

from hypothesis import given
from hypothesis import strategies as st

from retiarii.space import Architecture
from retiarii.storage._rows import clean_text, decode_metrics, encode_metrics, trial_from_row, trial_row
from retiarii.trial import Trial, TrialState

TEXTS = st.text(st.characters(codec="utf-8"))
METRICS = st.dictionaries(TEXTS, st.floats())
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4), max_leaves=8)


@given(METRICS)
def test_metrics_travel_as_strict_json(metrics):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    text = encode_metrics(metrics)
    json.loads(text, parse_constant=refuse)
    assert repr(decode_metrics(text)) == repr(dict(sorted(metrics.items())))


@given(st.dictionaries(TEXTS, VALUES))
def test_architectures_travel(values):
    trial = Trial(0, Architecture(values), TrialState.COMPLETED, {"default": 0.5})
    back = trial_from_row("id", trial_row("id", trial)[1:])
    assert back.architecture.canonical_json() == trial.architecture.canonical_json()
    assert back == trial


@given(st.text())
def test_clean_text_is_what_databases_take(text):
    clean = clean_text(text)
    assert clean.encode().decode() == clean == clean_text(clean)
    assert "\0" not in clean
    assert len(clean) == len(text)


def test_the_metric_that_ranks_is_finite():
    trial = Trial(0, Architecture({}), TrialState.COMPLETED, {"default": math.inf})
    assert trial_row("id", trial)[3] is None
