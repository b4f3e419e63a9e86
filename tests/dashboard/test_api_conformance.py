"""Requests of every kind get what the OpenAPI document announces, and never a server error."""

import math

import pytest
import schemathesis
from api_client import serving
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

from retiarii.dashboard._api.api import create_api
from retiarii.dashboard._reading.reader import Reader
from retiarii.space import Architecture, Categorical, SearchSpace
from retiarii.storage import ExperimentRecord, Intermediate, open_store
from retiarii.testing.records import EPOCH, RECORD, completed, running, zoo

STARTS_PROCESSES = {"POST /experiments/{experiment_id}/resume", "GET /experiments/{experiment_id}/trials/{trial}/code"}
ENDLESS = {"GET /events"}
# positive_data_acceptance: some parameters must name something that exists, which no schema can say.
HOSTILE = "'; DROP TABLE trials; --<script>\\\"\N{RIGHT-TO-LEFT OVERRIDE}=="


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with open_store(tmp_path_factory.mktemp("api") / "store.db") as store:
        store.create_experiment(RECORD)
        space = SearchSpace([Categorical(HOSTILE, values=(HOSTILE, 1, True, None, 1.5))])
        store.create_experiment(ExperimentRecord("e", HOSTILE, space=space.to_json(), message=HOSTILE))
        store.write("e", trials=zoo())
        hostile = completed(7).evolve(
            architecture=Architecture({HOSTILE: HOSTILE}), metrics={HOSTILE: math.nan, "": math.inf}, output=HOSTILE
        )
        store.write("e", trials=[hostile, running(8)], intermediates=[Intermediate(8, 0, {HOSTILE: -math.inf})])
        store.write_epoch("e", EPOCH)
        store.write_drawing("e", {HOSTILE: [HOSTILE]})
        folder = store.directory("e") / "trials" / "1"
        folder.mkdir(parents=True)
        (folder / "log").write_bytes(bytes(range(256)))
        yield store


@pytest.fixture(scope="module")
def address(store):
    with serving(create_api(Reader(store))) as address:
        yield address


def check_all(address, max_examples):
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    num_operations = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.label not in ENDLESS:
            num_operations += 1
            check(operation, address, max_examples)
    assert num_operations >= 20


def check(operation, address, max_examples):
    ids = st.sampled_from(["e", "e", RECORD.id, None])
    numbers = st.sampled_from([1, 1, 7, 8, None])

    @settings(
        max_examples=max_examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), known_id=ids, known_number=numbers)
    def run(case, known_id, known_number):
        if operation.label not in STARTS_PROCESSES:  # with a known experiment
            known = {"experiment_id": known_id, "trial": known_number, "name": known_number and "log"}
            case.path_parameters.update(
                {name: value for name, value in known.items() if value is not None and name in case.path_parameters}
            )
        case.call_and_validate(base_url=address, excluded_checks=[positive_data_acceptance])

    run()


def test_every_endpoint_answers_as_documented(address):
    check_all(address, 4)


@pytest.mark.slow
def test_every_endpoint_answers_many_requests_as_documented(address):
    check_all(address, 300)
