"""The style sheet and the script of the pages, served by us."""

from __future__ import annotations

import hashlib
from html import escape
from pathlib import Path

from nicegui import app, ui
from starlette.responses import Response

_FOLDER = Path(__file__).parent / "static"
_FILES = {"look.css": "text/css", "page.js": "text/javascript"}


def add_assets(command: str) -> None:
    """Serve the style sheet and the script, and name them in the head of every page.

    Args:
        command: The command that starts this dashboard, which pages show when the server does not answer.
    """
    addresses = {name: _served(name, kind) for name, kind in _FILES.items()}
    ui.add_head_html(
        f'<meta name="retiarii-command" content="{escape(command)}">\n'
        f'<link rel="stylesheet" href="{addresses["look.css"]}">\n'
        f'<script src="{addresses["page.js"]}"></script>',
        shared=True,
    )


def _served(name: str, kind: str) -> str:
    """Serve a file under an address that changes with its content, so that browsers may keep it."""
    content = (_FOLDER / name).read_bytes()
    address = f"/assets/{hashlib.sha256(content).hexdigest()[:12]}/{name}"

    @app.get(address, include_in_schema=False)
    def asset() -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "public, max-age=31536000, immutable"})

    return address
