from retiarii.plot._look import colours, escaped, figure


def test_user_text_is_shown_as_written():
    assert escaped("<img src=x onerror=alert(1)> & <b>bold</b>") == (
        "&lt;img src=x onerror=alert(1)&gt; &amp; &lt;b&gt;bold&lt;/b&gt;"
    )
    assert escaped("%{x} costs $5 or $6") == "%&#123;x} costs &#36;5 or &#36;6"
    assert escaped("two\nlines\x1b[0m") == "two\\nlines\\x1b[0m"
    assert escaped("long " * 30) == "long " * 15 + "long…"


def test_a_figure_has_axes_and_the_colours_of_its_background():
    drawn = figure(x="trial", y="accuracy", dark=True)
    assert (drawn.layout.xaxis.title.text, drawn.layout.yaxis.title.text) == ("trial", "accuracy")
    assert drawn.layout.paper_bgcolor == colours(True)["paper_bgcolor"] != colours(False)["paper_bgcolor"]
