"""An answer becomes HTML on the server, once, and is safe to put into a page as it is.

Three walls: the Markdown reader passes no raw HTML, our renderer builds links and images by allow-list, and an
allow-list cleaner looks at the result. Remote images become links (a picture can carry out what the page knows in its
URL); raster images inside the answer itself are shown.
"""

import re
from collections.abc import MutableMapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

MAX_HIGHLIGHT_CHARS = 50_000  # colour is not worth a second of waiting
MAX_RENDER_CHARS = 400_000  # beyond this an answer is shown as it came
RASTER = ("png", "jpeg", "webp", "gif")

_DATA_IMAGE = re.compile(rf"data:image/(?:{'|'.join(RASTER)});base64,[A-Za-z0-9+/=]+")
_IN_MARKDOWN = re.compile(rf"(?<=\]\(){_DATA_IMAGE.pattern}(?=\))")
_DATA_IMAGE_MARKDOWN = re.compile(r"!\[([^\]\n]*)\]\(\s*data:image/[^)\s]*\s*\)")
_PLACE = "lifted-image:"
_PLACED = re.compile(rf"{_PLACE}([0-9]{{1,4}})")
_LANGUAGE = re.compile(r"[A-Za-z0-9_+#.-]{1,30}")
_formatter = HtmlFormatter(nowrap=True)

TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "s", "blockquote"),
    *("ul", "ol", "li", "a", "img", "code", "pre", "span", "div", "header"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "class"},
    "img": {"src", "alt", "class"},
    "span": {"class"},
    "div": {"class"},
    "code": {"class"},
    "pre": {"tabindex", "class"},
    "ol": {"start"},
    "th": {"class"},
    "td": {"class"},
}


def answer_html(markdown: str) -> str:
    """Sanitised HTML of an answer, "" for an empty one. Never raises on any text."""
    if not markdown.strip():
        return ""
    # Pictures of megabytes are lifted out first: the Markdown reader walks a link character by character.
    images: list[str] = []

    def lift(match: re.Match[str]) -> str:
        images.append(match[0])
        return f"{_PLACE}{len(images) - 1}"

    text = _IN_MARKDOWN.sub(lift, markdown)
    if len(text) > MAX_RENDER_CHARS:
        return f"<pre>{nh3.clean_text(text)}</pre>"
    env: dict[str, Any] = {"images": images}
    tokens = _markdown.parse(text, env)
    _keep_headings_in_order(tokens)
    return _clean(_markdown.renderer.render(tokens, _markdown.options, env))


def without_data_images(text: str) -> str:
    """The text for the model's eyes: a picture of megabytes is not a sensible turn of a conversation."""
    return _DATA_IMAGE_MARKDOWN.sub(lambda match: f"[{match[1] or 'image'}]", text)


def _clean(html: str) -> str:
    return nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "data"},
        attribute_filter=_attribute,
        link_rel="noopener nofollow",
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    if (tag, name) == ("a", "href"):
        return value if is_web_link(value) else None
    if (tag, name) == ("img", "src"):
        return value if _DATA_IMAGE.fullmatch(value) else None
    return value


def is_web_link(url: str) -> bool:
    """An absolute http(s) URL with a host; relative ones would point into our own console."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


Env = MutableMapping[str, Any]
Row = Sequence[Token]


class _Renderer(RendererHTML):
    """Code gets classes instead of styles; images and links are checked."""

    def fence(self, tokens: Row, idx: int, _options: OptionsDict, _env: Env) -> str:
        language = (tokens[idx].info.split() or [""])[0]
        label = language if _LANGUAGE.fullmatch(language) else ""
        head = f"<header><span>{label}</span></header>"
        body = _coloured(tokens[idx].content, label)
        return f'<div class="code answer-code">{head}<pre class="hl" tabindex="0"><code>{body}</code></pre></div>\n'

    def code_block(self, tokens: Row, idx: int, _options: OptionsDict, _env: Env) -> str:
        return self.fence(tokens, idx, _options, _env)

    def image(self, tokens: Row, idx: int, _options: OptionsDict, env: Env) -> str:
        token = tokens[idx]
        source, text = str(token.attrGet("src") or ""), nh3.clean_text(token.content)
        if (placed := _PLACED.fullmatch(source)) and int(placed[1]) < len(env["images"]):
            return f'<img class="answer-image" src="{env["images"][int(placed[1])]}" alt="{text or "Image"}">'
        if is_web_link(source):
            return (
                f'<a class="answer-remote-image" href="{nh3.clean_text(source)}">{text or nh3.clean_text(source)}</a>'
            )
        return text

    def table_open(self, *_: Any) -> str:
        return '<div class="answer-table"><table>\n'

    def table_close(self, *_: Any) -> str:
        return "</table></div>\n"

    def th_open(self, tokens: Row, idx: int, _options: OptionsDict, _env: Env) -> str:
        return f"<th{_alignment(tokens[idx])}>"

    def td_open(self, tokens: Row, idx: int, _options: OptionsDict, _env: Env) -> str:
        return f"<td{_alignment(tokens[idx])}>"


def _keep_headings_in_order(tokens: Sequence[Token]) -> None:
    """Each message has an h2: whatever levels an answer uses, its own begin at h3 and never skip one."""
    open_levels: list[int] = []
    for token in tokens:
        if token.type == "heading_open":
            level = int(token.tag[1])
            while open_levels and open_levels[-1] >= level:
                open_levels.pop()
            open_levels.append(level)
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, 2 + len(open_levels))}"


def _alignment(token: Token) -> str:
    """The reader says it in a style attribute, which our policy forbids."""
    style = str(token.attrGet("style") or "")
    return ' class="is-right"' if "right" in style else ' class="is-centre"' if "center" in style else ""


def _coloured(code: str, language: str) -> str:
    if language and len(code) <= MAX_HIGHLIGHT_CHARS:
        try:
            return str(highlight(code, get_lexer_by_name(language), _formatter))
        except ClassNotFound:
            pass
    return nh3.clean_text(code)


def _valid_link(url: str) -> bool:
    return is_web_link(url) or bool(_PLACED.fullmatch(url))


def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable(["table", "strikethrough"])
    reader.validateLink = _valid_link  # type: ignore[method-assign] # the documented way to narrow it
    return reader


_markdown = _reader()
