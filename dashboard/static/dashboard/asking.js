// Asks once more before a verb: in a dialog where there is one, with the last button off until the target is typed.

const dialog = () => document.getElementById("asking");

function startTyped(root) {
  for (const field of root.querySelectorAll("[data-typed]")) {
    const button = field.form.querySelector("[type=submit]");
    const look = () => { button.disabled = field.value.trim() !== field.dataset.typed; };
    field.addEventListener("input", look);
    look();
  }
}

export function startAsking() {
  startTyped(document);
  document.querySelector(".ask-page [autofocus]")?.focus();
  document.addEventListener("htmx:after:swap", (event) => {
    const box = dialog();
    if (!box || event.detail?.ctx?.target !== box) return;
    if (!box.querySelector(".ask-form")) return location.reload(); // who one is has to be proven first
    startTyped(box);
    if (!box.open) box.showModal();
    box.querySelector("[autofocus]")?.focus();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#asking [data-leaves]")) return;
    event.preventDefault();
    dialog().close();
  });
}
