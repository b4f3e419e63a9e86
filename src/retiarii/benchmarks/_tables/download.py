"""`Download`: where the publisher of a table has one of its files."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Download:
    """A published file that a table is built from.

    A file that a program cannot fetch has no address, but ``by_hand``: files on Google Drive need a browser, and data
    in a Python package are installed with pip.

    Attributes:
        name: The name of the file in the folder of downloads, without folders.
        url: Where the publisher has it, with the scheme https; None if it has to be fetched by hand.
        by_hand: What to do to get it, in sentences; empty if it has an address. The command that builds the table from
            the file follows in messages, if it is not in them.
        size_bytes: The size; None if nobody has published it.
        sha256: The SHA-256 checksum in hexadecimal digits; None if the publisher gives none.
        is_optional: Whether it is fetched only if it is asked for by name, as a subset or another version is.
    """

    name: str
    url: str | None = None
    by_hand: str = ""
    size_bytes: int | None = None
    sha256: str | None = None
    is_optional: bool = False
