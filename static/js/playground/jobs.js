/* The cards of image jobs: replaced by the server's own whenever their state has moved on. */
import { piece, post } from "./server.js";

export class Jobs {
  constructor(gallery, { changed, refused, token }) {
    this.gallery = gallery;
    this.changed = changed;
    this.refused = refused;
    this.token = token;
    this.fetching = new Map();
    gallery.addEventListener("click", (event) => this.clicked(event));
    setInterval(() => this.tick(), 1000);
    this.tick();
  }

  card(id) {
    return this.gallery.querySelector(`[data-job="${CSS.escape(id)}"]`);
  }

  /* News of one job: {id, version, status}. An older version is no news. */
  async news({ id, version }) {
    const seen = Math.max(Number(this.card(id)?.dataset.version ?? -1), this.fetching.get(id) ?? -1);
    if (version <= seen) return;
    this.fetching.set(id, version);
    await this.refresh(id, this.card(id)?.dataset.fragment);
    this.fetching.delete(id);
  }

  async refresh(id, url) {
    if (!url) return;
    const made = await piece(url).catch(() => null);
    if (!made) return;
    const old = this.card(id);
    if (old && Number(old.dataset.version) > Number(made.dataset.version)) return;
    const focused = old?.contains(document.activeElement);
    if (old) old.replaceWith(made);
    else this.gallery.prepend(made);
    if (focused) made.querySelector("button, a")?.focus();
    this.changed(made, old);
    this.tick();
  }

  async clicked(event) {
    const card = event.target.closest("[data-job]");
    const does = (name) => event.target.closest(`[${name}]`);
    const url = does("data-cancel-button") ? card.dataset.cancel : does("data-retry-button") ? card.dataset.retryUrl : "";
    if (!url) return;
    event.target.closest("button").disabled = true;
    try {
      await post(url, {}, this.token);
    } catch (error) {
      this.refused(error);
    }
    await this.refresh(card.dataset.job, card.dataset.fragment);
  }

  /* How long each unfinished job has taken: the honest progress of work whose length nobody knows. */
  tick() {
    for (const place of this.gallery.querySelectorAll("[data-since]")) {
      const seconds = Math.max(0, Math.round((Date.now() - Date.parse(place.dataset.since)) / 1000));
      place.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    }
  }
}
