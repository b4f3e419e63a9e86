"""What tests of the specification's code blocks share: finding a block in the documents, and mending its slips."""

import textwrap
from pathlib import Path

import pytest

SPECIFICATION = Path(__file__).resolve().parents[3] / "shared" / "spec"


def blocks_of(module):
    """Return the blocks of a module by name."""
    return {name: text for name, text in vars(module).items() if name.isupper()}


def stands_in(block, *numbers):
    """Return whether a block is in one of the documents, word for word but for indentation and empty lines."""
    documents = [path for number in numbers for path in SPECIFICATION.glob(f"{number}-*.txt")]
    if not documents:
        pytest.skip(f"the specification is not there: {SPECIFICATION}")
    wanted = _words(block)
    return any(_contains(_words(document.read_text()), wanted) for document in documents)


def fixed(block, *slips):
    """Return a block without its slips: (what is written, what was meant, why)."""
    for written, meant, _ in slips:
        assert block.count(written) == 1, written
        block = block.replace(written, meant)
    return block


def statements(block):
    """Return the statements of an interactive session."""
    lines = block.splitlines()
    assert all(line.startswith((">>> ", "... ")) for line in lines)
    return "\n".join(line[4:] for line in lines) + "\n"


def in_class(block, indent=8):
    """Return a block indented as the body of a method."""
    return textwrap.indent(block, " " * indent)


def _words(text):
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def _contains(lines, block):
    return any(lines[start : start + len(block)] == block for start in range(len(lines)))
