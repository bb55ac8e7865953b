/* Markdown that grows: text in, nodes out, each character handled once. It draws what a reader expects while an answer
   is being written (paragraphs, headings, lists, quotes, code, bold); the server's own HTML replaces it at the end.
   Nodes are made by name and text only, never from HTML. */
import { InlineText, append } from "./inline.js";

const MAY_BE_MORE = /^(#{1,6}| {1,8}| *[-*+]| *\d{1,3}[.)]?|>|`{1,2})?$/;
const MAY_END_CODE = /^ {0,3}`*$/;
const ENDS_CODE = /^ {0,3}`{3,}\s*$/;
const FENCE = /^`{3,}([\w+#.-]*)/;

export class LiveMarkdown {
  constructor(root) {
    this.root = root;
    root.replaceChildren();
    this.close();
  }

  write(text) {
    for (const part of text.split(/(?<=\n)/)) this.take(part);
  }

  /* A piece of one line, its end included or not. */
  take(part) {
    let text = part;
    if (this.atStart) {
      this.start += part;
      if (!this.decided()) return;
      text = this.kind === "code" ? this.codeLine(this.start) : this.line(this.start);
      this.start = "";
    }
    if (text === null) return;
    this.atStart = text.endsWith("\n");
    if (this.kind === "code") append(this.block, text);
    else this.inline.write(this.atStart ? `${text.slice(0, -1)} ` : text);
    if (this.atStart && this.kind === "live-heading") this.close();
  }

  /* Whether the beginning of a line says what the line is. */
  decided() {
    if (this.start.endsWith("\n")) return true;
    if (this.kind === "code") return !MAY_END_CODE.test(this.start);
    return !MAY_BE_MORE.test(this.start) && !this.start.startsWith("```");
  }

  codeLine(line) {
    if (!ENDS_CODE.test(line)) return line;
    this.close();
    return null;
  }

  /* Opens what the line needs and returns what is left to say in it; null when the line says nothing. */
  line(line) {
    const fence = FENCE.exec(line);
    const heading = /^#{1,6} +/.exec(line);
    const item = /^( *)([-*+]|\d{1,3}[.)]) +/.exec(line);
    const quote = /^> ?/.exec(line);
    if (fence) {
      this.openCode(fence[1]);
      return null;
    }
    if (line.trim() === "") {
      this.close();
      return null;
    }
    if (heading) this.enter("p", "live-heading");
    else if (item) this.enterItem(item[1].length > 1, item[2]);
    else if (quote) this.continueOr("blockquote", ["blockquote"]);
    else this.continueOr("p", ["p", "li"]);
    return line.slice((heading ?? item ?? quote ?? [""])[0].length);
  }

  continueOr(name, kinds) {
    if (!kinds.includes(this.kind)) this.enter(name, name);
  }

  enter(name, kind, parent = this.root) {
    this.close();
    this.block = parent.appendChild(document.createElement(name));
    if (kind !== name) this.block.className = kind;
    this.kind = kind;
    this.inline = new InlineText(this.block);
  }

  enterItem(inner, mark) {
    const name = /\d/.test(mark) ? "ol" : "ul";
    let list = this.root.lastElementChild;
    if (list?.localName !== name && !(inner && list?.matches("ul, ol"))) {
      list = this.root.appendChild(document.createElement(name));
      if (name === "ol") list.start = parseInt(mark, 10);
    }
    this.enter("li", "li", list);
    if (inner) this.block.className = "live-inner";
  }

  openCode(language) {
    this.close();
    const box = this.root.appendChild(document.createElement("div"));
    box.className = "code answer-code";
    box.appendChild(document.createElement("header")).appendChild(document.createElement("span")).textContent = language;
    this.block = box.appendChild(document.createElement("pre")).appendChild(document.createElement("code"));
    this.kind = "code";
  }

  close() {
    this.inline?.flush();
    this.inline = null;
    this.block = null;
    this.kind = "";
    this.start = "";
    this.atStart = true;
  }
}
