"""The code samples of the docs, as data: one per topic and language. Every one of them is executed by the tests.

`{base_url}`, `{origin}` and `{model}` are filled in by the page; the key is always read from the environment.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.catalogue import FamilyRows, ModelRow
from gateway.models import Endpoint, Model

KEY_VARIABLE = "QYUAN_API_KEY"
CURL, PYTHON, JAVASCRIPT = "curl", "Python", "JavaScript"
LANGUAGES = (CURL, PYTHON, JAVASCRIPT)
LEXERS = {CURL: "bash", PYTHON: "python", JAVASCRIPT: "javascript"}
_COMMENTS = {CURL: "#", PYTHON: "#", JAVASCRIPT: "//"}


@dataclass(frozen=True)
class Role:
    """What a sample needs a model for. The catalogue names the model; the recommended one comes first."""

    endpoint: str
    family: str = ""
    recommended_for: str = ""


ROLES = {
    "text": Role(Endpoint.CHAT, recommended_for="first-call"),
    "responses": Role(Endpoint.RESPONSES, recommended_for="first-call"),
    "claude": Role(Endpoint.MESSAGES, recommended_for="claude"),
    "gemini": Role(Endpoint.CHAT, family=Model.Family.GEMINI),
    "image": Role(Endpoint.IMAGES, recommended_for="images"),
    "gemini-image": Role(Endpoint.CHAT, family=Model.Family.GEMINI_IMAGE),
}


@dataclass(frozen=True)
class Sample:
    """`id` is `<topic>-<language>`."""

    topic: str
    role: str
    language: str
    code: str

    @property
    def id(self) -> str:
        return f"{self.topic}-{self.language.lower()}"

    @property
    def lexer(self) -> str:
        return LEXERS[self.language]

    def filled(self, *, origin: str, model: str, key_hint: str = "") -> str:
        """Ready to run where QYUAN_API_KEY is set; `key_hint` says which key of the reader that may be."""
        code = self.code
        for name, value in (("origin", origin), ("base_url", f"{origin}/v1"), ("model", model)):
            code = code.replace(f"{{{name}}}", value)
        return f"{_COMMENTS[self.language]} {KEY_VARIABLE}: your key {key_hint}\n{code}" if key_hint else code


def chosen_models(families: Iterable[FamilyRows]) -> dict[str, str]:
    """The model for each role; a role that no active model can fill is missing."""
    rows = [(family.key, row) for family in families for row in family.models]
    return {name: found for name, role in ROLES.items() if (found := _best(rows, role))}


def _best(rows: list[tuple[str, ModelRow]], role: Role) -> str:
    fitting = [row for family, row in rows if role.endpoint in row.endpoints and role.family in {"", family}]
    fitting.sort(key=lambda row: row.recommended_for != role.recommended_for)
    return fitting[0].name if fitting else ""


def of_topic(topic: str) -> list[Sample]:
    return [sample for sample in SAMPLES if sample.topic == topic]


def _topic(topic: str, role: str, curl: str, python: str, javascript: str) -> list[Sample]:
    codes = zip(LANGUAGES, (curl, python, javascript), strict=True)
    return [Sample(topic, role, language, code.strip("\n")) for language, code in codes]


_OPENAI = """
import os
from openai import OpenAI

client = OpenAI(base_url="{base_url}", api_key=os.environ["QYUAN_API_KEY"])
"""
_ANTHROPIC = """
import os
from anthropic import Anthropic

client = Anthropic(base_url="{origin}", api_key=os.environ["QYUAN_API_KEY"])
"""
_POST = """
async function post(path, body) {
  const response = await fetch("{base_url}" + path, {
    method: "POST",
    headers: {
      "Authorization": `Bearer ${process.env.QYUAN_API_KEY}`,
      "Content-Type": "application/json",
    },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(await response.text());
  return response;
}
"""
_POST_MESSAGES = _POST.replace(
    '"Authorization": `Bearer ${process.env.QYUAN_API_KEY}`',
    '"x-api-key": process.env.QYUAN_API_KEY,\n      "anthropic-version": "2023-06-01"',
)
_EVENTS = """
async function* events(response) {
  let rest = "";
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data: ") && line !== "data: [DONE]") yield JSON.parse(line.slice(6));
    }
  }
}
"""
_BEARER = """  -H "Authorization: Bearer $QYUAN_API_KEY" \\
  -H "Content-Type: application/json" \\
"""
_NATIVE = """  -H "x-api-key: $QYUAN_API_KEY" \\
  -H "anthropic-version: 2023-06-01" \\
  -H "Content-Type: application/json" \\
"""

# Every text model speaks it, whoever made the model.
_CHAT = (
    "curl {base_url}/chat/completions \\\n"
    + _BEARER
    + """  -d '{
    "model": "{model}",
    "messages": [{"role": "user", "content": "Say hello."}],
    "max_tokens": 200
  }'
""",
    _OPENAI
    + """
answer = client.chat.completions.create(
    model="{model}",
    messages=[{"role": "user", "content": "Say hello."}],
    max_tokens=200,
)
print(answer.choices[0].message.content)
""",
    _POST
    + """
const response = await post("/chat/completions", {
  model: "{model}",
  messages: [{ role: "user", content: "Say hello." }],
  max_tokens: 200,
});
const answer = await response.json();
console.log(answer.choices[0].message.content);
""",
)

SAMPLES: tuple[Sample, ...] = (
    *_topic(
        "models",
        "text",
        """
curl {base_url}/models \\
  -H "Authorization: Bearer $QYUAN_API_KEY"
""",
        _OPENAI
        + """
for model in client.models.list():
    print(model.id)
""",
        """
const response = await fetch("{base_url}/models", {
  headers: { "Authorization": `Bearer ${process.env.QYUAN_API_KEY}` },
});
const { data } = await response.json();
for (const model of data) console.log(model.id);
""",
    ),
    *_topic(
        "model",
        "text",
        """
curl {base_url}/models/{model} \\
  -H "Authorization: Bearer $QYUAN_API_KEY"
""",
        _OPENAI
        + """
model = client.models.retrieve("{model}")
print(model.id, model.owned_by)
""",
        """
const response = await fetch("{base_url}/models/{model}", {
  headers: { "Authorization": `Bearer ${process.env.QYUAN_API_KEY}` },
});
const model = await response.json();
console.log(model.id, model.owned_by);
""",
    ),
    *_topic("chat", "text", *_CHAT),
    *_topic(
        "chat-stream",
        "text",
        "curl -N {base_url}/chat/completions \\\n"
        + _BEARER
        + """  -d '{
    "model": "{model}",
    "messages": [{"role": "user", "content": "Count to five."}],
    "stream": true
  }'
""",
        _OPENAI
        + """
stream = client.chat.completions.create(
    model="{model}",
    messages=[{"role": "user", "content": "Count to five."}],
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
""",
        _POST
        + _EVENTS
        + """
const response = await post("/chat/completions", {
  model: "{model}",
  messages: [{ role: "user", content: "Count to five." }],
  stream: true,
});
for await (const chunk of events(response)) {
  process.stdout.write(chunk.choices[0]?.delta.content ?? "");
}
""",
    ),
    *_topic(
        "responses",
        "responses",
        "curl {base_url}/responses \\\n"
        + _BEARER
        + """  -d '{
    "model": "{model}",
    "input": "Say hello.",
    "max_output_tokens": 200
  }'
""",
        _OPENAI
        + """
answer = client.responses.create(
    model="{model}",
    input="Say hello.",
    max_output_tokens=200,
)
print(answer.output_text)
""",
        _POST
        + """
const response = await post("/responses", {
  model: "{model}",
  input: "Say hello.",
  max_output_tokens: 200,
});
const answer = await response.json();
const message = answer.output.find((item) => item.type === "message");
console.log(message.content.map((part) => part.text).join(""));
""",
    ),
    *_topic(
        "messages",
        "claude",
        "curl {base_url}/messages \\\n"
        + _NATIVE
        + """  -d '{
    "model": "{model}",
    "max_tokens": 200,
    "messages": [{"role": "user", "content": "Say hello."}]
  }'
""",
        _ANTHROPIC
        + """
answer = client.messages.create(
    model="{model}",
    max_tokens=200,
    messages=[{"role": "user", "content": "Say hello."}],
)
print(answer.content[0].text)
""",
        _POST_MESSAGES
        + """
const response = await post("/messages", {
  model: "{model}",
  max_tokens: 200,
  messages: [{ role: "user", content: "Say hello." }],
});
const answer = await response.json();
console.log(answer.content[0].text);
""",
    ),
    *_topic(
        "messages-stream",
        "claude",
        "curl -N {base_url}/messages \\\n"
        + _NATIVE
        + """  -d '{
    "model": "{model}",
    "max_tokens": 200,
    "messages": [{"role": "user", "content": "Count to five."}],
    "stream": true
  }'
""",
        _ANTHROPIC
        + """
with client.messages.stream(
    model="{model}",
    max_tokens=200,
    messages=[{"role": "user", "content": "Count to five."}],
) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
""",
        _POST_MESSAGES
        + _EVENTS
        + """
const response = await post("/messages", {
  model: "{model}",
  max_tokens: 200,
  messages: [{ role: "user", content: "Count to five." }],
  stream: true,
});
for await (const event of events(response)) {
  if (event.type === "content_block_delta") process.stdout.write(event.delta.text ?? "");
}
""",
    ),
    *_topic("claude-chat", "claude", *_CHAT),
    *_topic("gemini", "gemini", *_CHAT),
    *_topic(
        "image",
        "image",
        "curl {base_url}/images/generations \\\n"
        + _BEARER
        + """  -d '{
    "model": "{model}",
    "prompt": "A lighthouse at dusk",
    "size": "1024x1024",
    "n": 1
  }' > image.json
python3 -c 'import base64, json
data = json.load(open("image.json"))["data"][0]["b64_json"]
open("image.png", "wb").write(base64.b64decode(data))'
""",
        "import base64"
        + _OPENAI
        + """
answer = client.images.generate(
    model="{model}",
    prompt="A lighthouse at dusk",
    size="1024x1024",
    n=1,
)
with open("image.png", "wb") as file:
    file.write(base64.b64decode(answer.data[0].b64_json))
""",
        'import { writeFile } from "node:fs/promises";\n'
        + _POST
        + """
const response = await post("/images/generations", {
  model: "{model}",
  prompt: "A lighthouse at dusk",
  size: "1024x1024",
  n: 1,
});
const { data } = await response.json();
await writeFile("image.png", Buffer.from(data[0].b64_json, "base64"));
""",
    ),
    *_topic(
        "gemini-image",
        "gemini-image",
        "curl {base_url}/chat/completions \\\n"
        + _BEARER
        + """  -d '{
    "model": "{model}",
    "messages": [{"role": "user", "content": "Draw a lighthouse at dusk."}]
  }' > answer.json
python3 -c 'import base64, json
message = json.load(open("answer.json"))["choices"][0]["message"]
url = message["images"][0]["image_url"]["url"]
open("image.png", "wb").write(base64.b64decode(url.split(",")[1]))'
""",
        "import base64"
        + _OPENAI
        + """
answer = client.chat.completions.create(
    model="{model}",
    messages=[{"role": "user", "content": "Draw a lighthouse at dusk."}],
)
url = answer.choices[0].message.images[0]["image_url"]["url"]
with open("image.png", "wb") as file:
    file.write(base64.b64decode(url.split(",")[1]))
""",
        'import { writeFile } from "node:fs/promises";\n'
        + _POST
        + """
const response = await post("/chat/completions", {
  model: "{model}",
  messages: [{ role: "user", content: "Draw a lighthouse at dusk." }],
});
const { message } = (await response.json()).choices[0];
const url = message.images[0].image_url.url;
await writeFile("image.png", Buffer.from(url.split(",")[1], "base64"));
""",
    ),
)
