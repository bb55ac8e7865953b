/* What one can do with a finished answer: copy it, copy its code, ask again. */
export function dress(turn, words) {
  const retry = turn.querySelector("[data-retry]");
  if (retry) retry.hidden = false;
  const copy = turn.querySelector("[data-copy-answer]");
  const source = turn.querySelector("[data-source]");
  if (copy && source && navigator.clipboard) {
    copy.hidden = false;
    copyOnClick(copy, copy.querySelector("span"), () => source.textContent, words);
  }
  for (const head of turn.querySelectorAll(".answer-code > header")) dressCode(head, words);
}

function dressCode(head, words) {
  if (!navigator.clipboard || head.querySelector("button")) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button-ghost button-small";
  button.textContent = words.copy;
  head.append(button);
  copyOnClick(button, button, () => head.nextElementSibling.textContent, words);
}

function copyOnClick(button, label, text, words) {
  let timer;
  label.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    const done = await navigator.clipboard.writeText(text()).then(() => true, () => false);
    label.textContent = done ? words.copied : words.notCopied;
    clearTimeout(timer);
    timer = setTimeout(() => { label.textContent = words.copy; }, 2000);
  });
}
