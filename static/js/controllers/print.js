/* A button that prints the page. Hidden where there are no scripts. */
export function connect(element) {
  element.hidden = false;
  element.addEventListener("click", () => window.print());
}
