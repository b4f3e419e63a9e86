"""The files of trials: checkpoints, logs and others, whole and in parts."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import APIRouter, Path, Query
from fastapi.responses import FileResponse
from pydantic import Field

from retiarii.dashboard._api.answer_values import Answer, ExperimentId, TrialNumber
from retiarii.dashboard._api.problems import problems, problems_of_files
from retiarii.dashboard._reading.reader import Reader
from retiarii.dashboard._reading.trial_folder import LAST_BYTES, MOST_FILES, file_of, list_files, read_part

_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_CONTENT = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}

FileName: TypeAlias = Annotated[
    str, Path(min_length=1, max_length=1000, description="The path of the file inside the folder of the trial.")
]


class FileAnswer(Answer):
    """A file of a trial."""

    name: str = Field(description="Its path inside the folder of the trial, with slashes.")
    size_bytes: int
    modified: float = Field(description="Unix time of its last change, seconds.")
    is_checkpoint: bool = Field(description="Whether it holds the weights of the trial's network.")


class FilesAnswer(Answer):
    """The files of a trial."""

    files: list[FileAnswer] = Field(description=f"At most {MOST_FILES}.")


class TextAnswer(Answer):
    """A part of a text file."""

    name: str
    size_bytes: int
    start: int = Field(description="The position of the first byte of `text` in the file.")
    end: int = Field(description="The position after its last byte.")
    text: str


def file_routes(reader: Reader) -> APIRouter:
    """Return the endpoints of files."""
    routes = APIRouter(prefix="/experiments/{experiment_id}/trials/{trial}", tags=["files"])

    @routes.get("/files", responses=problems(404))
    def list_trial_files(experiment_id: ExperimentId, trial: TrialNumber) -> FilesAnswer:
        """List the files of a trial, such as checkpoints."""
        found = list_files(reader.store, experiment_id, trial)
        return FilesAnswer(
            files=[
                FileAnswer(
                    name=one.name, size_bytes=one.size_bytes, modified=one.modified, is_checkpoint=one.is_checkpoint
                )
                for one in found
            ]
        )

    @routes.get(
        "/files/{name:path}",
        response_class=FileResponse,
        responses={
            200: {"content": _CONTENT, "description": "The file."},
            206: {"content": _CONTENT, "description": "The part that the header `Range` asks for."},
            416: {"description": "The part is not in the file."},
            **problems_of_files(404),
        },
    )
    def download_file(experiment_id: ExperimentId, trial: TrialNumber, name: FileName) -> FileResponse:
        """Download a file of a trial; with the header `Range`, a part of it."""
        path = file_of(reader.store, experiment_id, trial, name)
        return FileResponse(path, media_type="application/octet-stream", filename=path.name, headers=_HEADERS)

    @routes.get("/text/{name:path}", responses=problems(404))
    def read_text(
        experiment_id: ExperimentId,
        trial: TrialNumber,
        name: FileName,
        start: Annotated[
            int | None,
            Query(ge=0, le=2**62, description="The first byte; without it, the end of the file is returned."),
        ] = None,
        length: Annotated[int, Query(ge=1, le=2**20, description="The maximum number of bytes.")] = LAST_BYTES,
    ) -> TextAnswer:
        """Return a part of a text file of a trial, such as a log; by default its end."""
        part = read_part(file_of(reader.store, experiment_id, trial, name), start, length)
        return TextAnswer(name=name, size_bytes=part.size_bytes, start=part.start, end=part.end, text=part.text)

    return routes
