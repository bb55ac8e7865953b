/* Turns stacked sections (.tab-panel, each with a .tab-heading) into tabs; the last choice of a data-tabs-group is
   remembered and shared by all groups of that name. */
const key = (group) => `tabs:${group}`;

function remembered(group) {
  try {
    return group ? localStorage.getItem(key(group)) : null;
  } catch {
    return null;
  }
}

export function connect(element) {
  const panels = [...element.querySelectorAll(":scope > .tab-panel")];
  const list = element.querySelector(":scope > .tab-list");
  const group = element.dataset.tabsGroup;
  if (!list || panels.length === 0) return;
  list.setAttribute("role", "tablist");
  const tabs = panels.map((panel, index) => {
    const tab = document.createElement("button");
    panel.id ||= `panel-${crypto.randomUUID()}`;
    tab.type = "button";
    tab.id = `${panel.id}-tab`;
    tab.textContent = panel.dataset.tab;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    tab.addEventListener("click", () => choose(index, true));
    list.append(tab);
    return tab;
  });
  const choose = (chosen, tell) => {
    panels.forEach((panel, index) => {
      panel.hidden = index !== chosen;
      tabs[index].setAttribute("aria-selected", String(index === chosen));
      tabs[index].tabIndex = index === chosen ? 0 : -1;
    });
    if (tell && group) {
      const name = panels[chosen].dataset.tab;
      try {
        localStorage.setItem(key(group), name);
      } catch { /* private mode: not remembered */ }
      document.dispatchEvent(new CustomEvent("tabs:choose", { detail: { group, name, from: element } }));
    }
  };
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const now = tabs.indexOf(document.activeElement);
    const next = (now + step + tabs.length) % tabs.length;
    choose(next, true);
    tabs[next].focus();
  });
  document.addEventListener("tabs:choose", ({ detail }) => {
    if (detail.group !== group || detail.from === element) return;
    const index = panels.findIndex((panel) => panel.dataset.tab === detail.name);
    if (index >= 0) choose(index, false);
  });
  choose(Math.max(0, panels.findIndex((panel) => panel.dataset.tab === remembered(group))), false);
  element.dataset.ready = "";
}
