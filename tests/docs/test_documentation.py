"""Every Python block of the README and the docs runs, every link leads somewhere, and the built site shows the code."""

import ast
import html
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from retiarii import errors

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://)([^)#\s]+)")
INCLUDE = re.compile(r'^ *--8<-- "([^":]+)(?::(\d+):(\d+))?"$', re.MULTILINE)
IN_THE_REPOSITORY = "https://github.com/retiarii/retiarii/blob/main/"
EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", re.MULTILINE)


def blocks(page):
    return BLOCK.findall(page.read_text())


def test_the_first_block_of_the_readme_is_a_complete_script_of_at_most_40_lines():
    first = blocks(ROOT / "README.md")[0]
    assert len(first.strip().splitlines()) <= 40
    assert "experiment.run(" in first


@pytest.mark.timeout(320)
@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_a_page_runs_from_top_to_bottom(page, tmp_path):
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks(page)))
    environment = {**os.environ, "RETIARII_HOME": str(tmp_path / "home")}
    run = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr[-3000:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_files_lead_somewhere(page):
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_links_of_the_readme_work_on_a_package_page_and_lead_to_files():
    readme = (ROOT / "README.md").read_text()
    assert not LINK.findall(readme), "a package page does not have the files beside the README"
    targets = re.findall(rf"\]\({re.escape(IN_THE_REPOSITORY)}([^)#]+)\)", readme)
    assert targets
    assert not [target for target in targets if not (ROOT / target).exists()]


def test_the_readme_names_every_extra():
    extras = re.search(
        r"^\[project.optional-dependencies\]\n(.*?)^\[", (ROOT / "pyproject.toml").read_text(), re.M | re.S
    )
    for extra in re.findall(r"^(\w+) = \[", extras.group(1), re.MULTILINE):
        assert f"`retiarii[{extra}]`" in (ROOT / "README.md").read_text()


def test_every_page_can_be_reached_from_the_home_page_and_is_in_the_navigation():
    docs = ROOT / "docs"
    reached, waiting = set(), [docs / "index.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            targets = [target for target in LINK.findall(page.read_text()) if not target.endswith(".png")]
            waiting += [(page.parent / target).resolve() for target in targets]
    pages = set(docs.glob("**/*.md"))
    assert pages <= reached
    navigation = (ROOT / "mkdocs.yml").read_text()
    assert not [page for page in pages if str(page.relative_to(docs)) not in navigation]


def test_every_error_has_its_cause_and_remedy_on_the_page_of_troubleshooting():
    explained = [name for name, *_ in ROW.findall((ROOT / "docs/troubleshooting.md").read_text())]
    assert sorted([*explained, "RetiariiError"]) == errors.__all__


def test_no_line_of_the_changelog_is_there_twice_as_after_a_bad_merge():
    for section in re.split("^##+ .*$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE):
        beginnings = [line.strip()[:18] for line in section.splitlines() if line.strip()]
        assert not sorted({line for line in beginnings if beginnings.count(line) > 1})
        entries = re.findall(r"^- (.*?)(?=^- |\Z)", section, re.MULTILINE | re.DOTALL)
        assert not [entry for entry in entries if not entry.strip().endswith(".")]


def test_included_lines_are_whole_definitions():
    included = [match for page in PAGES for match in INCLUDE.findall(page.read_text())]
    assert {name for name, *_ in included if re.fullmatch(r"examples/.*\.py", name)} == {
        str(p.relative_to(ROOT)) for p in EXAMPLES
    }
    for name, first, last in included:
        if first:
            tree = ast.parse((ROOT / name).read_text())
            starts = {
                min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) for node in tree.body
            }
            assert int(first) in starts, f"line {first} of {name} is not where something begins"
            assert int(last) in {node.end_lineno for node in tree.body}, f"line {last} of {name} is not an end"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, run.stderr[-3000:]
    return folder


def shown_code(page):
    """Return the text of every code block of a built page."""
    blocks = re.findall(r"<pre[^>]*>(.*?)</pre>", page.read_text(), re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "", block)).strip() for block in blocks]


@pytest.mark.timeout(180)
def test_the_built_site_shows_code_where_pages_include_it(site):
    for page in site.glob("**/*.html"):
        text = html.unescape(re.sub(r"<[^>]+>", "", page.read_text()))
        assert not re.search(r"-\s*-\s*8\s*<\s*-\s*-", text), (
            f"{page.relative_to(site)} shows an include as it is written"
        )
    (base, *_), mutator = shown_code(site / "tutorials/mnasnet_mutators/index.html"), "class BlockMutator(Mutator):"
    assert base.startswith("class MnasNet(nn.Module):")
    assert any(code.startswith(mutator) for code in shown_code(site / "tutorials/mnasnet_mutators/index.html"))
    examples = [code for code in shown_code(site / "examples/index.html") if "import " in code]
    assert sorted(examples) == sorted(path.read_text().strip() for path in EXAMPLES)
    assert not [page for page in site.glob("reference/**/*.html") if "<blockquote>" in page.read_text()], (
        "an example of a docstring is shown as a quotation: its section is called Examples"
    )
    assert "[Unreleased]" in (site / "changelog/index.html").read_text()


@pytest.mark.timeout(180)
def test_the_reference_has_every_public_name_and_begins_with_what_users_hold(site):
    pages = {page.parent.name: page.read_text() for page in site.glob("reference/*/index.html")}
    anchors = {anchor for text in pages.values() for anchor in re.findall(r'<h3 id="retiarii\.([\w.]+)"', text)}
    shown = {anchor.rpartition(".")[2] for anchor in anchors}
    rooms = [
        "benchmarks",
        "benchmarks.hw_nasbench",
        "benchmarks.nasbench101",
        "benchmarks.nasbench201",
        "benchmarks.nasbench_graph",
        "benchmarks.nasbench_macro",
        "benchmarks.report",
        "evaluator",
        "execution",
        "experiment",
    ]
    for room in (*rooms, "graph", "oneshot", "space", "storage", "strategy", "trial"):
        names = importlib.import_module(f"retiarii.{room}").__all__
        assert not sorted(set(names) - shown), f"names of retiarii.{room} that the reference does not have"
    order = re.findall(r'<h3 id="retiarii\.experiment\.(\w+)"', pages["experiment"])
    assert order.index("RetiariiExperiment") < order.index("RetiariiExeConfig") < order.index("Callback")
    assert not [name for name, text in pages.items() if "::</p>" in text], "colons before an example of a docstring"
