/* Bold, emphasis and code inside one block of growing text; everything else is text. */
const MARKS = { "**": "strong", "`": "code", "*": "em" };

/* One text node grows instead of thousands standing side by side. */
export function append(element, text) {
  if (element.lastChild?.nodeType === Node.TEXT_NODE) element.lastChild.appendData(text);
  else element.append(text);
}

export class InlineText {
  constructor(block) {
    this.open = [block];
    this.marks = [];
    this.held = "";
    this.before = " ";
  }

  write(text) {
    const all = this.held + text;
    this.held = "";
    let plain = "";
    for (let at = 0; at < all.length; at += 1) {
      const mark = this.markAt(all, at);
      if (mark === undefined) {
        this.held = all.slice(at);
        break;
      }
      if (mark && this.fits(mark, all[at + mark.length])) {
        this.put(plain);
        plain = "";
        this.turn(mark);
        at += mark.length - 1;
      } else {
        plain += mark || all[at];
        at += mark ? mark.length - 1 : 0;
      }
      this.before = all[at];
    }
    this.put(plain);
  }

  /* The mark that begins here, "" for none, undefined when the next character decides. */
  markAt(all, at) {
    if (all[at] === "`") return "`";
    if (all[at] !== "*" || this.inCode()) return "";
    if (at + 2 >= all.length) return undefined;
    return all[at + 1] === "*" ? "**" : "*";
  }

  inCode() {
    return this.marks.at(-1) === "`";
  }

  /* A mark closes what it opened; it opens only before text, and a star only after a space. */
  fits(mark, next) {
    if (this.marks.at(-1) === mark) return true;
    if (this.marks.includes(mark)) return false;
    if (mark === "`") return true;
    return next !== undefined && next.trim() !== "" && (mark === "**" || /[\s("“]/.test(this.before));
  }

  turn(mark) {
    if (this.marks.at(-1) === mark) {
      this.marks.pop();
      this.open.pop();
      return;
    }
    this.marks.push(mark);
    this.open.push(this.open.at(-1).appendChild(document.createElement(MARKS[mark])));
  }

  put(text) {
    if (text) append(this.open.at(-1), text);
  }

  flush() {
    this.put(this.held);
    this.held = "";
  }
}
