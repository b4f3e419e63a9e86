"""How spaces and architectures look in notebooks."""

from html.parser import HTMLParser

from retiarii.space import Architecture, Categorical, Integer, SearchSpace, when


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


TABLE = {"div", "table", "caption", "thead", "tbody", "tr", "th", "td"}


def test_a_space_is_a_table_of_its_choices_and_its_size():
    space = SearchSpace(
        [Categorical("<script>op", ("<b>conv", "pool")), Integer("width", 1, 4, condition=when("<script>op", "pool"))]
    )
    page = Page(space._repr_html_())
    assert page.texts[0] == "Search space: 2 labels, 5 architectures"
    assert page.texts[1:4] == ["label", "domain", "active when"]
    assert page.texts[4:] == [
        *("<script>op", "{'<b>conv', 'pool'}", "always"),
        *("width", "1..4", "<script>op = 'pool'"),
    ]
    assert page.tags == TABLE


def test_an_architecture_is_a_table_of_its_values():
    page = Page(Architecture({"op\u202e": "<img src=x>", "width": 3})._repr_html_())
    assert page.texts[0].startswith("Architecture ")
    assert page.texts[1:] == ["label", "value", "op\\u202e", "'<img src=x>'", "width", "3"]
    assert page.tags == TABLE


def test_a_large_space_is_short():
    html = SearchSpace([Categorical(f"op{number}", tuple(range(50))) for number in range(500)])._repr_html_()
    assert html.endswith("and 480 more choices</div></div>")
    assert len(html) < 8000
