/* Attaches behaviours: <div data-controller="copy tabs"> gets connect(element) of each module named here.
   A behaviour is loaded when a page has it; the names are written out so that their hashes can be, too. */
const controllers = {
  chat: () => import("./controllers/chat.js"),
  copy: () => import("./controllers/copy.js"),
  dialog: () => import("./controllers/dialog.js"),
  drawer: () => import("./controllers/drawer.js"),
  filter: () => import("./controllers/filter.js"),
  images: () => import("./controllers/images.js"),
  menu: () => import("./controllers/menu.js"),
  print: () => import("./controllers/print.js"),
  reload: () => import("./controllers/reload.js"),
  tabs: () => import("./controllers/tabs.js"),
  theme: () => import("./controllers/theme.js"),
  toc: () => import("./controllers/toc.js"),
};

export function register(name, load) {
  controllers[name] = load;
}

export function attach(root = document) {
  for (const element of root.querySelectorAll("[data-controller]")) {
    if (element.dataset.attached !== undefined) continue;
    element.dataset.attached = "";
    for (const name of element.dataset.controller.split(/\s+/)) {
      controllers[name]?.().then((module) => module.connect(element));
    }
  }
}

attach();
