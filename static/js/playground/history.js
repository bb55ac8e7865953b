/* Which conversation the page shows: a new one gets its address and its line in the list with its first question. */
export class Conversation {
  constructor(root) {
    this.id = root.dataset.conversation;
    this.list = root.querySelector("[data-conversations]");
    history.scrollRestoration = "manual";
    root.querySelector("[data-history]").open = matchMedia("(min-width: 72.01rem)").matches;
  }

  entered(run, question) {
    if (this.id) return;
    this.id = run.conversation;
    history.replaceState(null, "", run.page);
    addToList(this.list, run.page, question);
  }
}

function addToList(list, href, question) {
  list.querySelector(".chat-list-empty")?.remove();
  for (const link of list.querySelectorAll("[aria-current]")) link.removeAttribute("aria-current");
  const link = document.createElement("a");
  link.href = href;
  link.textContent = question.replace(/\s+/g, " ").trim().slice(0, 80);
  link.setAttribute("aria-current", "page");
  const item = document.createElement("li");
  item.append(link);
  list.prepend(item);
}
