/* One question and its answer on the page: grows from events, then becomes what the server makes of it. */
import { follow } from "./follow.js";
import { LiveMarkdown } from "./live.js";
import { piece } from "./server.js";

export class Turn {
  constructor(element, { grew, ended, trouble }) {
    this.element = element;
    this.after = Number(element.dataset.after);
    this.grew = grew;
    this.ended = ended;
    this.trouble = trouble;
    this.began = performance.now();
    this.live = element.querySelector("[data-live]");
    this.waiting = element.querySelector("[data-waiting]");
    this.reasoning = element.querySelector("[data-reasoning]");
    const printed = this.live.textContent;
    this.writer = new LiveMarkdown(this.live);
    if (printed) this.writer.write(printed);
  }

  /* From where the page stands; any number of tabs may do the same. */
  attach({ events, stop, fragment }) {
    Object.assign(this.element.dataset, { events, stop, fragment });
    this.leave = follow({
      url: () => `${events}?after=${this.after}`,
      take: (frame) => this.take(frame),
      trouble: (status) => this.trouble(status, this),
    });
  }

  take({ event, data, id }) {
    if (id !== undefined && event !== "end" && event !== "reset" && id <= this.after) return false;
    if (id !== undefined) this.after = Math.max(id, this.after);
    if (event === "delta") this.say(data.kind, data.text);
    else if (event === "reset") this.restart(data);
    else if (event === "end") {
      this.finish(data.status);
      return true;
    }
    return false;
  }

  say(kind, text) {
    if (kind === "reasoning") {
      this.reasoning.append(text);
      this.element.querySelector("[data-thinking]").hidden = false;
    } else {
      this.waiting.hidden = true;
      this.writer.write(text);
    }
    this.grew();
  }

  restart({ text, reasoning }) {
    this.writer = new LiveMarkdown(this.live);
    this.reasoning.textContent = "";
    if (reasoning) this.say("reasoning", reasoning);
    if (text) this.say("text", text);
  }

  async finish(status) {
    let made = this.element;
    try {
      made = await piece(this.element.dataset.fragment);
      const open = this.element.querySelector("[data-thinking]").open;
      made.querySelector("[data-thinking]").open = open;
      this.element.replaceWith(made);
    } catch {
      this.live.classList.remove("is-live"); /* the words stay as they are; a reload shows the rest */
      delete this.element.dataset.events;
    }
    this.ended(status, made, this);
  }

  get words() {
    return this.live.textContent.split(/\s+/).filter(Boolean).length;
  }

  get seconds() {
    return ((performance.now() - this.began) / 1000).toFixed(1);
  }
}

/* A question on the page before the server has answered. */
export function pendingTurn(template, { id, parent, text, model }) {
  const element = template.content.firstElementChild.cloneNode(true);
  element.querySelector("[data-prompt]").textContent = text;
  element.querySelector("[data-model-name]").textContent = model;
  Object.assign(element.dataset, { run: id, parent: parent ?? "" });
  return element;
}
