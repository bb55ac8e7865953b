/* The chat page: sends questions, follows answers, keeps the address and the list of conversations true. */
import { dress } from "../playground/answer.js";
import { Composer } from "../playground/composer.js";
import { Conversation } from "../playground/history.js";
import { Once } from "../playground/once.js";
import { Follower } from "../playground/scroll.js";
import { Status } from "../playground/status.js";
import { Problem, post, token } from "../playground/server.js";
import { Trouble } from "../playground/trouble.js";
import { Turn, pendingTurn } from "../playground/turn.js";

class Chat {
  constructor(root) {
    this.root = root;
    this.words = JSON.parse(root.querySelector("#chat-words").textContent);
    this.turns = root.querySelector("[data-turns]");
    this.conversation = new Conversation(root);
    this.once = new Once();
    this.follower = new Follower(root.querySelector("[data-to-latest]"));
    this.status = new Status(root.querySelector("[data-announce]"), this.words);
    this.trouble = new Trouble(root.querySelector("[data-problem]"), this.status, this.words);
    this.composer = new Composer(root, { send: (text) => this.ask(text, this.last?.dataset.run ?? null), stop: () => this.stop() });
    for (const example of root.querySelectorAll("[data-example]")) {
      example.addEventListener("click", () => this.composer.write(example.dataset.example));
    }
    this.turns.addEventListener("click", (event) => event.target.closest("[data-retry]") && this.askAgain());
    for (const turn of this.turns.children) this.adopt(turn);
    if (this.last) this.follower.toEnd();
    root.dataset.ready = "";
  }

  get last() {
    return this.turns.lastElementChild;
  }

  /* A turn that the server printed: finished ones get their buttons, a running one is followed from where it stands. */
  adopt(element) {
    if (element.dataset.events) this.follow(element, element.dataset);
    else dress(element, this.words);
  }

  follow(element, { events, stop, fragment }) {
    this.running = new Turn(element, {
      grew: () => this.follower.grew(),
      ended: (status, made, turn) => this.ended(status, made, turn),
      trouble: (status) => this.lost(status),
    });
    this.running.attach({ events, stop, fragment });
    this.composer.setRunning(true);
    this.status.generating();
  }

  async ask(text, parent) {
    this.trouble.tell("");
    const settings = this.composer.settings();
    const id = this.once.idFor({ parent, text, ...settings });
    const element = pendingTurn(this.root.querySelector("[data-turn-template]"), { id, parent, text, model: settings.model });
    this.root.querySelector("[data-welcome]").hidden = true;
    this.turns.append(element);
    this.composer.write("");
    this.composer.setRunning(true);
    this.follower.toEnd();
    try {
      const body = { id, conversation: this.conversation.id || id, parent, prompt: text, ...settings };
      const run = await post(this.root.dataset.create, body, token(this.root));
      this.once.settled();
      this.follow(element, run);
      this.conversation.entered(run, text);
    } catch (error) {
      element.remove();
      this.refused(error, text);
    }
  }

  /* The same question beside the answer that failed; the failed one stays in the records. */
  askAgain() {
    const failed = this.last;
    const text = failed.querySelector("[data-prompt]").textContent;
    failed.remove();
    this.ask(text, failed.dataset.parent || null);
  }

  refused(error, text) {
    if (!(error instanceof Problem)) throw error;
    if (error.status) this.once.settled();
    this.composer.setRunning(false);
    this.composer.write(text);
    this.trouble.tell(error.message || this.words.broken);
    this.root.querySelector("[data-welcome]").hidden = Boolean(this.last);
  }

  stop() {
    const url = this.running?.element.dataset.stop;
    if (!url) return;
    this.composer.stopButton.disabled = true;
    this.status.say(this.words.stopping);
    post(url, {}, token(this.root)).catch(() => { this.composer.stopButton.disabled = false; });
  }

  lost(status) {
    const forGood = this.trouble.lost(status);
    if (forGood) this.composer.setRunning(false);
    return forGood;
  }

  ended(status, made, turn) {
    this.running = null;
    this.composer.setRunning(false);
    this.status.ended(this.status.wordsFor(status, turn));
    this.adopt(made);
    this.follower.grew();
  }
}

export function connect(root) {
  new Chat(root);
}
