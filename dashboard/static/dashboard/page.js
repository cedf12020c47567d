// Keeps the drawer's focus and address in order, copies, walks by keys, and follows live. Pages read the same without it.

import { startAsking } from "./asking.js";
import { startPasskeys } from "./passkey.js";
import { leaveBrush, startBrush } from "./brush.js";
import { startCountdown } from "./countdown.js";
import { show } from "./fetch.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";
import { startQuery } from "./query.js";

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

// Whether the answer that was swapped in holds the drawer itself, open or not.
const brought = (target) => target?.id === "answer" && drawer()?.closest("#answer") !== null;

function leaveDrawer() {
  const link = drawer()?.querySelector("[data-closes]");
  if (!link) return false;
  const url = new URL(location.href);
  const row = opener || `event-${url.searchParams.get("event")}`;
  url.searchParams.delete("event");
  url.searchParams.delete("tab");
  closeDrawer(url.pathname + url.search + url.hash);
  document.getElementById(row)?.focus();
  return true;
}

function showCopyButtons(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy][hidden], [data-copy-text][hidden]")) button.hidden = false;
}

async function copy(button) {
  const words = button.querySelector("span");
  const before = words.textContent;
  const text = button.dataset.copyText ?? new URL(button.dataset.copy, location.href).href;
  try {
    await navigator.clipboard.writeText(text);
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
  const button = event.target.closest("[data-copy], [data-copy-text]");
  if (button) copy(button);
  const facet = event.target.closest("[data-alt]");
  if (facet && event.altKey) {
    event.preventDefault();
    event.stopImmediatePropagation();
    show(facet.dataset.alt);
  }
  if (plain && event.target.closest("[data-closes]")) {
    event.preventDefault();
    leaveDrawer();
  }
}, true);

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector(":popover-open, dialog[open]") && !leaveDrawer()) leaveBrush();
});

document.addEventListener("htmx:after:swap", (event) => {
  const target = event.detail?.ctx?.target;
  if (target?.id === "drawer") {
    mark(opener);
    drawer().scrollTop = 0;
    drawer().querySelector("h1, h2")?.focus();
  } else if (!["facets", "present"].includes(target?.id) && !document.querySelector("[data-live]") && !brought(target)) {
    closeDrawer("");
  }
  showCopyButtons(document);
  startBrush();
  startQuery();
});

showCopyButtons(document);
startBrush();
startQuery();
startKeys();
startLive();
startCountdown();
startAsking();
startPasskeys();
