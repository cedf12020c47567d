// Keeps the drawer's focus and address in order, and copies links. Pages read the same without it.

const drawer = () => document.getElementById("drawer");
let opener = "";

function mark(id) {
  for (const row of document.querySelectorAll("tr.picked:has([data-opens])")) row.classList.remove("picked");
  if (id) document.getElementById(id)?.closest("tr")?.classList.add("picked");
}

function closeDrawer(address) {
  drawer()?.replaceChildren();
  mark("");
  if (address) history.replaceState(history.state, "", address);
}

function leaveDrawer() {
  const link = drawer()?.querySelector("[data-closes]");
  if (!link) return;
  const url = new URL(location.href);
  const row = opener || `event-${url.searchParams.get("event")}`;
  url.searchParams.delete("event");
  closeDrawer(url.pathname + url.search + url.hash);
  document.getElementById(row)?.focus();
}

function showCopyButtons(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
}

async function copy(button) {
  const words = button.querySelector("span");
  const before = words.textContent;
  try {
    await navigator.clipboard.writeText(new URL(button.dataset.copy, location.href).href);
    words.textContent = button.dataset.done;
  } catch {
    words.textContent = "Not allowed by the browser";
  }
  setTimeout(() => { words.textContent = before; }, 2000);
}

document.addEventListener("click", (event) => {
  const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  const opens = event.target.closest("[data-opens]");
  if (opens) opener = opens.id;
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
  if (plain && event.target.closest("[data-closes]")) {
    event.preventDefault();
    leaveDrawer();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector(":popover-open")) leaveDrawer();
});

document.addEventListener("htmx:after:swap", (event) => {
  const target = event.detail?.ctx?.target;
  if (target?.id === "drawer") {
    mark(opener);
    drawer().scrollTop = 0;
    drawer().querySelector("h1, h2")?.focus();
  } else {
    closeDrawer("");
  }
  showCopyButtons(document);
});

showCopyButtons(document);
