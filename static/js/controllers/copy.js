/* A button [data-copy] copies the text of [data-copy-source] and says so. Hidden where there is no clipboard. */
export function connect(element) {
  const button = element.querySelector("[data-copy]");
  const source = element.querySelector("[data-copy-source]");
  if (!button || !source || !navigator.clipboard) return;
  const label = button.querySelector("[data-copy-label]") ?? button;
  const before = label.textContent;
  label.setAttribute("aria-live", "polite");
  button.hidden = false;
  let timer;
  button.addEventListener("click", async () => {
    let done = true;
    try {
      await navigator.clipboard.writeText(source.value ?? source.textContent);
    } catch {
      done = false;
    }
    label.textContent = done ? button.dataset.done : button.dataset.failed;
    button.classList.toggle("copied", done);
    clearTimeout(timer);
    timer = setTimeout(() => {
      label.textContent = before;
      button.classList.remove("copied");
    }, 2000);
  });
}
