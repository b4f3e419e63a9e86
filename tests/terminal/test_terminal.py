import ast
import io
import json
import unicodedata
from pathlib import Path

import pytest
from rich.table import Table

import retiarii
from retiarii.errors import NotFoundError, StorageError
from retiarii.terminal import SafeConsole, coloured, joined, plain, shortened, visible, visible_line, write, write_json

HOSTILE = (
    "[/data/images/66] [bold]x[/] :smile: "
    "\x1b]0;owned\x07 \x1b]52;c;cm0=\x07 \x1b[2J a\rb \x9b31m \u202egnp.exe\x00\ud800"
)
SOURCES = sorted(Path(retiarii.__file__).parent.rglob("*.py"))


def is_quiet(text):
    """Whether a terminal would only show this text."""
    return not [
        char for char in text if char not in "\n\t" and unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
    ] and (
        not any(
            unicodedata.bidirectional(char) in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI")
            for char in text
        )
    )


def printed(renderable, **options):
    file = io.StringIO()
    SafeConsole(file=file, width=400, **options).print(renderable)
    return file.getvalue()


def test_texts_are_shown_with_their_control_characters_as_escapes():
    assert visible("a\r\nb\tc\r") == "a\nb\tc\\r"
    assert visible_line("a\nb\tc") == "a\\nb\\tc"
    assert visible("\x1b]0;t\x07\u202e\ud800") == "\\x1b]0;t\\x07\\u202e\\ud800"
    assert visible("größer 中文 👩‍🔬") == "größer 中文 👩‍🔬"
    every = "".join(map(chr, range(0x110000)))
    assert is_quiet(visible(every))
    assert "\n" not in visible_line(every)


@pytest.mark.parametrize("make", [plain, joined, str, coloured, lambda text: joined((text, "bold"))])
@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_that_is_printed_is_markup_or_a_command(make, terminal):
    table = Table(title=HOSTILE)
    table.add_column(HOSTILE)
    table.add_row(make(HOSTILE))
    for shown in (make(HOSTILE), table):
        text = printed(shown, force_terminal=terminal, color_system=None)
        assert is_quiet(text)
        assert "[/data/images/66] [bold]x[/] :smile:" in text


def test_a_renderable_of_somebody_else_is_made_visible_too():
    from rich.text import Text

    assert is_quiet(printed(Text(HOSTILE)))


def test_colours_of_a_programs_output_stay():
    assert coloured("\x1b[31mred\x1b[0m \x1b[2J").plain == "red \\x1b[2J"
    assert coloured("\x1b[31mred").spans
    assert coloured("a\nb").plain == "a\nb"


def test_what_the_encoding_lacks_is_shown_as_escapes():
    raw = io.BytesIO()
    console = SafeConsole(file=io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    console.print(plain("größe 中"))
    assert raw.getvalue() == b"gr\\xf6\\xdfe \\u4e2d\n"


def test_json_stays_json(capsys):
    write_json(json.dumps({"label": HOSTILE, "größe": "👩‍🔬"}, ensure_ascii=False))
    out = capsys.readouterr().out
    assert is_quiet(out)
    assert json.loads(out) == {"label": HOSTILE, "größe": "👩‍🔬"}


def test_text_for_files_is_written_as_it_is(capsys):
    write("x = '\x1b'")
    assert capsys.readouterr().out == "x = '\x1b'\n"


def test_errors_show_no_control_characters():
    for kind in (StorageError, NotFoundError):
        assert is_quiet(str(kind(f"about {HOSTILE}")))


# Whoever prints, prints through retiarii.terminal: these names are used nowhere else.
FORBIDDEN_IMPORTS = {"rich.text", "rich.markup", "rich.ansi"}
FORBIDDEN_CALLS = {"Console", "echo", "secho", "from_markup", "from_ansi", "print"}
ALLOWED = {
    ("testing/_acts.py", "print"),  # trials print
    ("_own_process.py", "sys.stderr.write"),  # the message of a user's own sys.exit(), as Python writes it
}


def test_every_display_goes_through_the_one_door():
    found = [use for source in SOURCES for use in uses(source)]
    assert found == []


def uses(source):
    name = source.relative_to(Path(retiarii.__file__).parent).as_posix()
    if name == "terminal.py":
        return
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module in FORBIDDEN_IMPORTS:
            yield name, node.module
        if isinstance(node, ast.Call):
            function = ast.unparse(node.func)
            called = function.rpartition(".")[2]
            is_method_of_console = called == "print" and function != "print"
            if called in FORBIDDEN_CALLS and not is_method_of_console and (name, called) not in ALLOWED:
                yield name, called
            if function in ("sys.stdout.write", "sys.stderr.write") and (name, function) not in ALLOWED:
                yield name, function
            if any(word.arg in ("markup", "emoji") for word in node.keywords):
                yield name, "markup="


@pytest.mark.parametrize(("text", "shown"), [("ten letter", "ten letter"), ("eleven lett", "eleven ...")])
def test_a_text_that_is_too_long_ends_with_an_ellipsis(text, shown):
    assert shortened(text, 10) == shown
