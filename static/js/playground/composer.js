/* Where one writes: Enter sends unless an input method is composing, the draft survives a reload. */
const STORE = "draft:";
const GROWS_BY_ITSELF = CSS.supports("field-sizing", "content");

export class Composer {
  constructor(root, { send, stop }) {
    this.form = root.querySelector("[data-composer]");
    this.input = root.querySelector("[data-prompt-input]");
    this.model = root.querySelector("[data-model]");
    this.system = root.querySelector("[data-system]");
    this.maxTokens = root.querySelector("[data-max-tokens]");
    this.sendButton = root.querySelector("[data-send]");
    this.stopButton = root.querySelector("[data-stop-button]");
    this.hint = root.querySelector("[data-hint]");
    this.key = STORE + root.dataset.draft;
    this.stop = stop;
    this.running = false;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.running && this.model.value && this.text.trim() && this.form.reportValidity()) send(this.text);
    });
    this.input.addEventListener("keydown", (event) => this.pressed(event));
    this.input.addEventListener("input", () => this.changed());
    this.model.addEventListener("change", () => this.showHint());
    this.stopButton.addEventListener("click", stop);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.running && !document.querySelector("dialog[open], details.menu[open]")) stop();
    });
    this.restore();
    this.showHint();
    this.sendButton.disabled = !this.model.value;
  }

  get text() {
    return this.input.value;
  }

  /* Safari ends a composition before the key arrives: its key code is the only sign left. */
  pressed(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.form.requestSubmit();
  }

  write(text) {
    this.input.value = text;
    this.changed();
    this.input.focus();
  }

  changed() {
    this.sendButton.toggleAttribute("data-ready", Boolean(this.text.trim()));
    if (!GROWS_BY_ITSELF) {
      this.input.style.blockSize = "auto";
      this.input.style.blockSize = `${this.input.scrollHeight}px`;
    }
    try {
      if (this.text) localStorage.setItem(this.key, this.text);
      else localStorage.removeItem(this.key);
    } catch { /* private mode: not kept */ }
  }

  restore() {
    try {
      this.input.value ||= localStorage.getItem(this.key) ?? "";
    } catch { /* private mode */ }
    this.changed();
  }

  /* The fields of a question as they are now. */
  settings() {
    return {
      model: this.model.value,
      system: this.system.value,
      max_tokens: this.maxTokens.value ? Number(this.maxTokens.value) : null,
    };
  }

  showHint() {
    this.hint.textContent = this.model.selectedOptions[0]?.dataset.price ?? "";
  }

  setRunning(running) {
    const hadFocus = document.activeElement === this.sendButton || document.activeElement === this.stopButton;
    this.running = running;
    this.sendButton.hidden = running;
    this.stopButton.hidden = !running;
    this.stopButton.disabled = false;
    if (hadFocus) (running ? this.stopButton : this.input).focus();
  }
}
