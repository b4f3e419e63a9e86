"""`Problem`: what the API answers where it cannot answer, and which error gets which status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from retiarii._plain_data import clean_text
from retiarii.dashboard._reading.reader import Reader
from retiarii.errors import (
    ConfigError,
    CorruptStoreError,
    DuplicateError,
    ExperimentBusyError,
    ExperimentError,
    NotFoundError,
    RetiariiError,
    StorageError,
)

_STATUS: tuple[tuple[type[RetiariiError], int], ...] = (
    (NotFoundError, 404),
    (ExperimentBusyError, 409),
    (DuplicateError, 409),
    (ExperimentError, 409),
    (ConfigError, 422),
    (StorageError, 503),
)
_MEANING = {
    404: "There is no such experiment, trial or file.",
    409: "The experiment is not in a state for this.",
    422: "A parameter is wrong.",
    503: "The store cannot be read at present: it is locked, damaged, deleted or out of reach.",
}
_MOST_FAULTS = 5
_LONGEST = 2000


class Problem(BaseModel):
    """Why a request failed."""

    model_config = ConfigDict(extra="forbid")

    error: str = Field(description="The kind of error, such as `NotFoundError`.")
    detail: str = Field(description="What is wrong and what to do, for people to read.")


class ApiResponse(JSONResponse):
    """JSON that browsers neither sniff nor keep."""

    def init_headers(self, headers: Any = None) -> None:
        """See Starlette's ``Response``."""
        super().init_headers(headers)
        self.headers["X-Content-Type-Options"] = "nosniff"
        self.headers["Cache-Control"] = "no-store"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of the failures of an endpoint; each endpoint may also have a wrong parameter."""
    return {status: {"model": Problem, "description": _MEANING[status]} for status in (*statuses, 422, 503)}


def problems_of_files(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of the failures of an endpoint that answers something else than JSON."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
    return {status: {"content": content, "description": _MEANING[status]} for status in (*statuses, 422, 503)}


def answer(status: int, error: str, detail: str) -> ApiResponse:
    """Return a problem as a response."""
    problem = Problem(error=error, detail=clean_text(detail)[:_LONGEST])
    return ApiResponse(problem.model_dump(), status)


def add_problems(app: FastAPI, reader: Reader) -> None:
    """Answer errors as problems.

    Args:
        app: The application.
        reader: What it reads, which is told of damage.
    """

    def known(_: Request, err: Exception) -> ApiResponse:
        if isinstance(err, CorruptStoreError):
            reader.note_damage(err)
        status = next((code for kind, code in _STATUS if isinstance(err, kind)), 503)
        return answer(status, type(err).__name__, str(err))

    def wrong_parameter(_: Request, err: Exception) -> ApiResponse:
        assert isinstance(err, RequestValidationError)
        return answer(422, "ConfigError", _faults(err.errors()))

    def refused(_: Request, err: Exception) -> ApiResponse:
        assert isinstance(err, HTTPException)
        response = answer(err.status_code, "RequestError", f"{err.detail}.")
        response.headers.update(err.headers or {})
        return response

    app.add_exception_handler(RetiariiError, known)
    app.add_exception_handler(RequestValidationError, wrong_parameter)
    app.add_exception_handler(HTTPException, refused)


def _faults(errors: Sequence[Any]) -> str:
    """Return what is wrong with parameters, without repeating what was sent."""
    texts = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in errors[:_MOST_FAULTS]]
    return f"The request has wrong parameters. {'; '.join(texts)}."
