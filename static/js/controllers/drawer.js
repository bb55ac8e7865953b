/* Opens and closes the side navigation on small screens. */
export function connect(toggle) {
  const drawer = document.getElementById(toggle.getAttribute("aria-controls"));
  if (!drawer) return;
  const set = (open) => {
    drawer.toggleAttribute("data-open", open);
    toggle.setAttribute("aria-expanded", String(open));
    if (open) drawer.querySelector("a, button")?.focus();
  };
  toggle.addEventListener("click", () => set(!drawer.hasAttribute("data-open")));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && drawer.hasAttribute("data-open")) {
      set(false);
      toggle.focus();
    }
  });
  document.addEventListener("pointerdown", (event) => {
    if (!drawer.contains(event.target) && !toggle.contains(event.target)) set(false);
  });
}
