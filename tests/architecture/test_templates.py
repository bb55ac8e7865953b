"""What the content security policy and the translators ask of every template."""

import re

from tests.architecture.tree import files, name, text

INLINE_STYLE = re.compile(r"<style\b|\sstyle\s*=", re.IGNORECASE)
HANDLER = re.compile(r"\son[a-z]+\s*=\s*[\"']", re.IGNORECASE)
SCRIPT = re.compile(r"<script\b([^>]*)>", re.IGNORECASE)
JAVASCRIPT_LINK = re.compile(r"(href|src|action)\s*=\s*[\"']\s*javascript:", re.IGNORECASE)


def test_no_inline_style_handler_or_script() -> None:
    found = []
    for file in files(".html", "templates"):
        if name(file).startswith("templates/emails/"):
            continue  # mail is no page: no policy stands over it, and its readers honour no other style
        source = re.sub(r"\{#.*?#\}|\{% comment %\}.*?\{% endcomment %\}", "", text(file), flags=re.DOTALL)
        for shape in (INLINE_STYLE, HANDLER, JAVASCRIPT_LINK):
            found += [f"{name(file)}: {match.group(0).strip()}" for match in shape.finditer(source)]
        for attributes in SCRIPT.findall(source):
            if "src=" not in attributes and "application/json" not in attributes:
                found.append(f"{name(file)}: <script{attributes}>")
    assert found == []


def test_no_script_evaluates_text() -> None:
    shape = re.compile(r"\beval\(|new Function\(|\.innerHTML\s*=(?!=)|insertAdjacentHTML|document\.write")
    marked = re.compile(r"sanitised on the server")  # the one reason that counts, written on the line
    found = [
        f"{name(file)}: {line.strip()}"
        for file in files(".js", "static")
        for line in text(file).splitlines()
        if shape.search(line) and not marked.search(line)
    ]
    assert found == []


def test_nothing_is_declared_safe_without_a_reason() -> None:
    """`|safe` and `autoescape off` only where the line says who made the HTML harmless."""
    found = [
        f"{name(file)}: {line.strip()}"
        for file in files(".html", "templates")
        for line in text(file).splitlines()
        if re.search(r"\|\s*safe\b|autoescape off", line) and "{#" not in line
    ]
    assert found == []


def test_visible_words_are_wrapped_for_translation() -> None:
    """Words between tags of a page stand inside a translation tag."""
    found = []
    for file in files(".html", "templates"):
        source = text(file)
        source = re.sub(r"\{#.*?#\}|\{% comment.*?%\}.*?\{% endcomment %\}", "", source, flags=re.DOTALL)
        source = re.sub(r"\{% blocktrans(late)?\b.*?\{% endblocktrans(late)? %\}", "", source, flags=re.DOTALL)
        source = re.sub(r"<(script|code|pre|svg|kbd)\b.*?</\1>", "", source, flags=re.DOTALL)
        source = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", source, flags=re.DOTALL)
        for words in re.findall(r">([^<>]+)<", source):
            bare = re.sub(r"&\w+;", "", words).strip()
            if re.search(r"[A-Za-z]{3,}", bare) and bare not in NAMES:
                found.append(f"{name(file)}: {bare[:80]}")
    assert found == []


# Names are the same in every language.
NAMES = {
    "CSV",
    "JSON",
    "GET",
    "POST",
    "QYUAN",
    "AI Console",
    "QYUAN AI",
    "QYUAN AI Console",
    "Python",
    "JavaScript",
    "curl",
    "cURL",
    "English",
}
