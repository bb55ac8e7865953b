/* Opens the <dialog> named by data-dialog; a click beside it closes it. Without scripts the button's own form or link works. */
export function connect(opener) {
  const dialog = document.getElementById(opener.dataset.dialog);
  if (!dialog) return;
  opener.addEventListener("click", (event) => {
    event.preventDefault();
    dialog.showModal();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}
