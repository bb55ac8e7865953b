/* A form of filters sends itself when a choice changes; without scripts its button does. */
export function connect(form) {
  form.addEventListener("change", (event) => {
    if (event.target.matches("select, input[type=radio], input[type=checkbox], input[type=date]")) form.requestSubmit();
  });
}
