/* Keeps the newest words in sight while the reader is at the bottom, and offers the way back while they are not. */
const NEAR = 96;

export class Follower {
  constructor(button) {
    this.button = button;
    this.sticky = true;
    this.asked = 0;
    addEventListener("scroll", () => this.look(), { passive: true });
    addEventListener("resize", () => this.look(), { passive: true });
    button.addEventListener("click", () => this.toEnd());
  }

  look() {
    this.sticky = innerHeight + scrollY >= document.documentElement.scrollHeight - NEAR;
    this.button.hidden = this.sticky;
  }

  /* After something grew. Never while text is being selected. */
  grew() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      if (this.sticky && document.getSelection().isCollapsed) scrollTo({ top: document.documentElement.scrollHeight });
      else this.look();
    });
  }

  toEnd() {
    this.sticky = true;
    scrollTo({ top: document.documentElement.scrollHeight });
    this.button.hidden = true;
  }
}
