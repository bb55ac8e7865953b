"""An answer's HTML: looks right, and carries nothing that a page must not have."""

import re

import pytest

from playground import rendering
from tests.unit.playground.fake_gateway import picture

PIXEL = f"data:image/png;base64,{picture('PNG', (1, 1))}"

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](vbscript:msgbox(1))",
    "<javascript:alert(1)>",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml;base64,PHN2Zy8+)",
    "![x](data:text/html,<script>alert(1)</script>)",
    '![" onerror="alert(1)](https://evil.example/x.png)',
    '[x](https://evil.example/"onmouseover="alert(1))',
    '```"onmouseover="alert(1)\ncode\n```',
    "```html\n<script>alert(1)</script>\n```",
    "`<script>alert(1)</script>`",
    "<a href='javascript:alert(1)'>x</a>",
    "<iframe src='https://evil.example'></iframe>",
    "<style>*{display:none}</style>",
    "<form action=https://evil.example><input name=x></form>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "[x]: javascript:alert(1)\n\n[x]",
    "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
    "[a](https://evil.example/ 'title\" onclick=\"alert(1)')",
    "[x](//evil.example)",
    "[x](/keys/)",
    "[x](#top)",
    "lifted-image:0 ![x](lifted-image:0) [x](lifted-image:0)",
    "\x00<b>\ufffe",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_becomes_harmless(text: str) -> None:
    html = rendering.answer_html(text)
    tags = re.findall(r"<[a-zA-Z][^>]*>", html)
    for tag in tags:
        name = re.match(r"<([a-zA-Z0-9]+)", tag)
        assert name
        assert name[1] in rendering.TAGS, tag
        assert not re.search(r"[\s\"'/]on[a-z]+\s*=", re.sub(r'"[^"]*"', '""', tag)), tag
        for attribute, value in re.findall(r'(href|src)="([^"]*)"', tag):
            assert attribute == "href", tag
            assert value.startswith("https://evil.example/"), tag
        assert "style=" not in tag
    assert "<script" not in html


@pytest.mark.parametrize("at", range(1, 40))
def test_hostile_text_stays_harmless_wherever_it_is_cut(at: int) -> None:
    text = "[x](javascript:alert(1)) <img src=x onerror=alert(1)>"[:at]
    html = rendering.answer_html(text)
    assert "<img" not in html
    assert "href" not in html


def test_links_open_no_door_to_our_page() -> None:
    html = rendering.answer_html("[site](https://example.com/a?b=1&c=2)")
    assert 'href="https://example.com/a?b=1&amp;c=2"' in html
    assert 'rel="noopener nofollow"' in html


def test_a_remote_image_is_a_link_and_loads_nothing() -> None:
    html = rendering.answer_html("![A cat](https://example.com/cat.png?secret=1)")
    assert "<img" not in html
    assert 'href="https://example.com/cat.png?secret=1"' in html
    assert "A cat" in html


def test_a_raster_image_inside_the_answer_is_shown() -> None:
    html = rendering.answer_html(f"Here:\n\n![A dot]({PIXEL})")
    assert f'src="{PIXEL}"' in html
    assert 'alt="A dot"' in html


@pytest.mark.parametrize("kind", ["svg+xml", "x-icon", "html", "png;charset=x"])
def test_only_raster_types_count_as_images(kind: str) -> None:
    assert "<img" not in rendering.answer_html(f"![x](data:image/{kind};base64,AAAA)")


def test_code_is_coloured_with_classes_and_named() -> None:
    html = rendering.answer_html("```python\ndef f():\n    return '<b>'\n```")
    assert '<span class="k">def</span>' in html
    assert "<span>python</span>" in html
    assert "style=" not in html
    assert "&lt;b&gt;" in html


def test_an_unknown_language_is_plain_code() -> None:
    assert "<code>x &lt; y\n</code>" in rendering.answer_html("```klingon\nx < y\n```").replace("&#32;", " ")


def test_very_long_code_is_not_coloured() -> None:
    html = rendering.answer_html("```python\n" + "x = 1\n" * 20_000 + "```")
    assert 'class="n"' not in html


def test_headings_begin_below_the_page_and_skip_no_level() -> None:
    html = rendering.answer_html("# A\n#### B\n## C\n# D")
    assert re.findall(r"<(h\d)>", html) == ["h3", "h4", "h4", "h3"]


def test_tables_scroll_and_align_without_styles() -> None:
    html = rendering.answer_html("| a | b |\n|---|--:|\n| 1 | 2 |")
    assert 'class="answer-table"' in html
    assert '<td class="is-right">2</td>' in html


def test_an_endless_answer_is_shown_as_it_came() -> None:
    html = rendering.answer_html("<b> " * 150_000)
    assert html.startswith("<pre>")
    assert "<b>" not in html


def test_nothing_gives_nothing() -> None:
    assert rendering.answer_html(" \n") == ""


def test_pictures_leave_the_history_as_words() -> None:
    assert rendering.without_data_images(f"See ![a dot]({PIXEL}) and ![]({PIXEL}).") == "See [a dot] and [image]."
