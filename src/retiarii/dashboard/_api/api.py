"""`create_api`: all endpoints as one application, with its OpenAPI document."""

from __future__ import annotations

from fastapi import FastAPI

from retiarii._version import __version__
from retiarii.dashboard._api.analysis_routes import analysis_routes
from retiarii.dashboard._api.control_routes import control_routes
from retiarii.dashboard._api.event_routes import event_routes
from retiarii.dashboard._api.experiment_routes import experiment_routes
from retiarii.dashboard._api.export_routes import export_routes
from retiarii.dashboard._api.file_routes import file_routes
from retiarii.dashboard._api.problems import ApiResponse, add_problems
from retiarii.dashboard._api.result_routes import result_routes
from retiarii.dashboard._api.space_routes import space_routes
from retiarii.dashboard._api.trial_routes import trial_routes
from retiarii.dashboard._reading.reader import Reader

ROUTES = (
    experiment_routes,
    control_routes,
    trial_routes,
    file_routes,
    space_routes,
    result_routes,
    analysis_routes,
    export_routes,
    event_routes,
)


def create_api(reader: Reader) -> FastAPI:
    """Return the API of a store, to be mounted under ``/api``.

    Args:
        reader: What it reads, shared with the pages.
    """
    api = FastAPI(
        title="retiarii",
        version=__version__,
        description="Experiments of neural architecture search: watch, export, stop and resume them.",
        docs_url=None,  # they load scripts from other hosts
        redoc_url=None,
        default_response_class=ApiResponse,
        redirect_slashes=False,
    )
    add_problems(api, reader)
    for routes in ROUTES:
        api.include_router(routes(reader))
    return api
