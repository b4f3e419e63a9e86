import pickle

import pytest

from retiarii.errors import ArchitectureError, ConfigError, ConstraintError, SearchExhausted
from retiarii.strategy import Given
from retiarii.testing.searches import finished
from retiarii.testing.spaces import flat, nas_bench_201, nested, tiny

TWO = [{"op": "skip", "bias": True}, {"op": "conv", "bias": False}]


def test_they_are_proposed_in_their_order_and_then_it_ends():
    search = Given(TWO).search(tiny(), seed=5)
    assert [dict(proposal.architecture) for proposal in search.ask(1) + search.ask(5)] == TWO
    for _ in range(2):
        with pytest.raises(SearchExhausted, match="All 2 given architectures were proposed"):
            search.ask(1)


def test_one_may_be_given_twice_to_measure_it_again():
    search = Given([TWO[0]] * 2).search(tiny())
    for number, proposal in enumerate(search):
        search.tell(finished(number, proposal, float(number)))
    assert search.best.number == 1


def test_any_spelling_that_fixes_a_model_is_taken():
    """Unused labels are dropped, and lists stand for tuples."""
    given = {"block": "skip", "bias": True, "kernel": 3, "heads": 2}
    assert dict(Given([given]).search(nested()).ask(1)[0].architecture) == {"block": "skip", "bias": True}
    given = {**flat().default(), "kernel": [3, 1]}
    assert Given([given]).search(flat()).ask(1)[0].architecture["kernel"] == (3, 1)


def test_architectures_of_another_space_are_refused_by_label():
    with pytest.raises(ArchitectureError, match="'op'"):
        Given([{**TWO[0], "op": "sep"}]).search(tiny())
    with pytest.raises(ArchitectureError, match="'0>1'"):
        Given(TWO[:1]).search(nas_bench_201().merge(tiny()))


def test_architectures_that_break_a_constraint_are_refused():
    space = tiny().constrained(lambda architecture: architecture["op"] != "skip")
    with pytest.raises(ConstraintError, match=r"'skip'.* breaks a constraint of the search space"):
        Given(TWO).search(space)
    assert len(Given(TWO[1:]).search(space).ask(5)) == 1


@pytest.mark.parametrize("given", [None, "conv", {"op": "conv"}, ["conv"], [None]])
def test_what_is_no_list_of_architectures_is_refused(given):
    with pytest.raises(ConfigError, match="expected a list of architectures"):
        Given(given)


def test_what_is_given_is_copied():
    given = [*TWO]
    strategy = Given(given)
    given.clear()
    assert len(strategy.search(tiny()).ask(5)) == 2
    assert pickle.loads(pickle.dumps(strategy)) == strategy == Given(TWO)
    assert strategy != Given(TWO[:1])
