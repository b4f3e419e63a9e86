import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retiarii.errors import ConfigError
from retiarii.space import Architecture
from retiarii.trial import FULL, Fidelity, Proposal, Trial

AMOUNTS = st.dictionaries(
    st.text(min_size=1, max_size=5),
    st.one_of(st.integers(1, 10**6), st.floats(0, 1e9, exclude_min=True, allow_subnormal=False)),
    max_size=4,
)


@given(AMOUNTS)
def test_a_fidelity_is_an_immutable_mapping(amounts):
    fidelity = Fidelity(amounts)
    assert dict(fidelity) == amounts
    assert fidelity == amounts
    assert (len(fidelity), bool(fidelity)) == (len(amounts), bool(amounts))
    assert list(fidelity) == sorted(amounts)
    assert pickle.loads(pickle.dumps(fidelity)) == fidelity
    assert eval(repr(Fidelity(a=1, b=0.5)), {"Fidelity": Fidelity}) == Fidelity({"b": 0.5, "a": 1})
    with pytest.raises(TypeError):
        fidelity["epochs"] = 3


@given(AMOUNTS, AMOUNTS)
def test_equal_fidelities_have_equal_hashes(one, other):
    """Whole numbers and floats that are equal, too: a store returns floats."""
    assert (Fidelity(one) == Fidelity(other)) is (one == other)
    as_floats = Fidelity({name: float(amount) for name, amount in one.items()})
    assert as_floats == Fidelity(one)
    assert hash(as_floats) == hash(Fidelity(dict(reversed(one.items()))))


def test_what_is_given_is_copied():
    amounts = {"epochs": 3}
    fidelity = Fidelity(amounts, samples=100)
    amounts["epochs"] = 5
    assert fidelity == {"epochs": 3, "samples": 100}
    assert str(fidelity) == "epochs=3, samples=100"
    assert Fidelity(amounts, epochs=7) == {"epochs": 7}


def test_none_is_empty():
    assert FULL == Fidelity() == {}
    assert not FULL
    assert str(FULL) == ""
    assert FULL != 0


@pytest.mark.parametrize("amount", [0, -1, math.nan, math.inf, True, "3", None])
def test_amounts_are_finite_numbers_above_0(amount):
    with pytest.raises(ConfigError, match=r"The fidelity 'epochs' is .*, expected a finite number above 0"):
        Fidelity(epochs=amount)


@pytest.mark.parametrize("name", ["", 3, None])
def test_names_are_texts(name):
    with pytest.raises(ConfigError, match="expected a text such as 'epochs'"):
        Fidelity({name: 1})


def test_a_trial_has_its_proposal():
    proposal = Proposal(Architecture({"op": "conv"}), Fidelity(epochs=9), parent=3)
    trial = Trial(4, proposal.architecture, fidelity=proposal.fidelity, parent=proposal.parent)
    assert trial.proposal == proposal
    assert Trial(0, proposal.architecture).proposal == Proposal(proposal.architecture) != proposal
    assert len({proposal, Proposal(Architecture({"op": "conv"}), Fidelity(epochs=9.0), 3), trial.proposal}) == 1
