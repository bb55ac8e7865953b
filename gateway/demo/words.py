"""What the demo provider says: about the prompt, in its language, never pretending to come from a model."""

import json
import re
from collections.abc import Iterator
from typing import Any

BYTES_PER_TOKEN = 4
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_SAY = re.compile(r"^\s*(?:please\s+)?(?:say|repeat|echo|reply with)\s*:?\s+(.{1,200})", re.IGNORECASE)
_WORD = re.compile(r"\w+")


def tokens(text: str) -> int:
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def prompt_of(messages: Any) -> tuple[str, int, int]:
    """The last text of the user, how many messages there were, and how many pictures came along."""
    text, pictures = "", 0
    for message in messages if isinstance(messages, list) else []:
        if not isinstance(message, dict) or message.get("role", "user") != "user":
            continue
        content = message.get("content")
        parts = content if isinstance(content, list) else [{"text": content}]
        text = "\n".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))
        pictures += sum("image" in str(part.get("type", "")) for part in parts if isinstance(part, dict))
    return text, len(messages) if isinstance(messages, list) else 1, pictures


def answer(model: str, prompt: str, *, messages: int = 1, pictures: int = 0) -> str:
    """Markdown with a quotation, a list and a piece of code; the same prompt gets the same answer."""
    if _CHINESE.search(prompt):
        return _in_chinese(model, prompt, messages, pictures)
    return _in_english(model, prompt, messages, pictures)


def pieces(text: str) -> Iterator[str]:
    """The text in the portions in which a model would stream it."""
    yield from re.findall(r"\s*\S+(?:\s+\S{1,4}(?=\s))?|\s+$", text) or ([text] if text else [])


def _in_english(model: str, prompt: str, messages: int, pictures: int) -> str:
    words = _WORD.findall(prompt)
    said = _SAY.match(prompt)
    facts = [f"Your message has **{len(words)} words** and {len(prompt)} characters."]
    if words:
        facts.append(f"Its longest word is *{max(words, key=len)[:60]}*.")
    if pictures:
        facts.append(f"It came with {pictures} picture{'s' if pictures > 1 else ''}, which I cannot see.")
    facts.append(f"This conversation has {messages} message{'s' if messages != 1 else ''} so far.")
    opening = f"{said[1].strip()}\n\n" if said else ""
    question = "\n\nA question deserves a better answer than mine." if prompt.rstrip().endswith("?") else ""
    return (
        f"{opening}This is the **demo provider**, not `{model}`: no model read your message. Everything else is real: "
        f"the key, the stream, the tokens and the price.{question}\n\n"
        f"> {_quoted(prompt)}\n\n"
        + "".join(f"- {fact}\n" for fact in facts)
        + f"\nThe same count in code:\n\n```python\n{_sample(prompt)}\n```\n\n"
        "Connect a channel to a real provider with `manage.py add_channel`, and the same request gets a real answer."
    )


def _in_chinese(model: str, prompt: str, messages: int, pictures: int) -> str:
    facts = [f"您的消息共有 **{len(prompt)} 个字符**。", f"到目前为止，这段对话有 {messages} 条消息。"]
    if pictures:
        facts.append(f"您附带了 {pictures} 张图片，我看不到它们。")
    return (
        f"这里是**演示服务商**，不是 `{model}`：没有任何模型读取您的消息。"
        "其他一切都是真实的：密钥、流式传输、令牌和价格。\n\n"
        f"> {_quoted(prompt)}\n\n"
        + "".join(f"- {fact}\n" for fact in facts)
        + f"\n用代码统计：\n\n```python\n{_sample(prompt)}\n```\n\n"
        "使用 `manage.py add_channel` 连接真实的服务商后，同样的请求会得到真实的回答。"
    )


def _quoted(prompt: str) -> str:
    line = " ".join(prompt.split())
    return (line[:280] + "…" if len(line) > 280 else line) or "…"  # noqa: PLR2004 about three lines


def _sample(prompt: str) -> str:
    shown = json.dumps(" ".join(prompt.split())[:60], ensure_ascii=False)
    return f"message = {shown}\nprint(len(message.split()), 'words,', len(message), 'characters')"
