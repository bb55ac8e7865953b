/* The image page: the price before, one job per click however often it is clicked, the gallery kept true. */
import { follow } from "../playground/follow.js";
import { Jobs } from "../playground/jobs.js";
import { Once } from "../playground/once.js";
import { post, token } from "../playground/server.js";

class Studio {
  constructor(root) {
    this.root = root;
    const part = (name) => root.querySelector(`[data-${name}]`);
    const data = (id) => JSON.parse(root.querySelector(id).textContent);
    this.words = data("#image-words");
    this.prices = data("#image-prices");
    this.form = part("image-form");
    this.prompt = part("image-prompt");
    this.model = part("image-model");
    this.size = part("image-size");
    this.count = part("image-count");
    this.price = part("image-price");
    this.problem = part("problem");
    this.empty = part("gallery-empty");
    this.status = part("announce");
    this.token = token(root);
    this.once = new Once();
    this.jobs = new Jobs(part("gallery"), {
      token: this.token,
      refused: (error) => this.tell(error.message || this.words.broken),
      changed: (card, old) => this.changed(card, old),
    });
    this.form.addEventListener("change", () => this.showPrice());
    this.form.addEventListener("submit", (event) => this.submit(event));
    this.prompt.addEventListener("keydown", (event) => {
      const sends = event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing;
      if (sends) this.form.requestSubmit();
    });
    part("gallery").addEventListener("click", (event) => this.reuse(event));
    this.showPrice();
    part("go").disabled = !this.model.value;
    follow({ url: () => root.dataset.events, take: ({ event, data: job }) => this.heard(event, job), trouble: (status) => status === 401 });
    root.dataset.ready = "";
  }

  order() {
    const order = { model: this.model.value, prompt: this.prompt.value, size: this.size.value, count: Number(this.count.value) };
    return { id: this.once.idFor(order), ...order };
  }

  async submit(event) {
    event.preventDefault();
    if (this.sending || !this.prompt.value.trim()) return;
    this.sending = true;
    this.tell("");
    try {
      const job = await post(this.root.dataset.create, this.order(), this.token);
      this.once.settled();
      await this.jobs.refresh(job.id, job.fragment);
    } catch (error) {
      if (error.status) this.once.settled();
      this.tell(error.message || this.words.broken);
    } finally {
      this.sending = false;
    }
  }

  heard(event, job) {
    if (event === "job") this.jobs.news(job);
    return false;
  }

  changed(card, old) {
    this.empty.hidden = true;
    const status = card.dataset.status;
    if (old && old.dataset.status !== status) this.status.textContent = this.words[status] ?? "";
  }

  reuse(event) {
    if (!event.target.closest("[data-reuse]")) return;
    this.prompt.value = event.target.closest("[data-job]").querySelector(".job-prompt").textContent;
    this.prompt.focus();
  }

  showPrice() {
    const amounts = this.prices[this.model.value]?.[this.size.value];
    this.price.textContent = amounts?.[Number(this.count.value) - 1] ?? this.words.free;
  }

  tell(text) {
    this.problem.textContent = text;
    this.problem.hidden = !text;
  }
}

export function connect(root) {
  new Studio(root);
}
