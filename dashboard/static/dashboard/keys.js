// Single keys: j and k walk the rows, Enter opens, / asks, c copies a link, g and a letter goes to a page, ? tells. They can be switched off.

const OFF = "keybook-keys-off";
const PLACES = { h: "home", e: "events", s: "secrets", p: "principals", l: "leases", w: "workloads", c: "changes" };
let going = 0;

const help = () => document.getElementById("keys-help");
const typing = (target) => target.closest("input, select, textarea, [contenteditable], dialog") !== null;

function walk(step) {
  const rows = [...document.querySelectorAll("main tbody .row-link")];
  if (!rows.length) return;
  const here = rows.findIndex((row) => row === document.activeElement || row.closest("tr").classList.contains("picked"));
  const next = rows[Math.min(Math.max(here + step, 0), rows.length - 1)];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
  if (document.querySelector("#drawer [data-closes]") && next.dataset.opens) next.click();
}

function go(key) {
  going = 0;
  const link = document.querySelector(`[data-place="${PLACES[key]}"]`);
  if (link) location.assign(link.href);
}

// The link of what is open, else of the page.
function copyLink() {
  const button = document.querySelector("#drawer [data-copy]") ?? document.querySelector("[data-copy]");
  if (button && !button.hidden) button.click();
}

function press(event) {
  if (event.key === "j" || event.key === "k") return walk(event.key === "j" ? 1 : -1);
  if (event.key === "/") return document.getElementById("ask")?.focus();
  if (event.key === "?") return help()?.showModal();
  if (event.key === "c") return copyLink();
  if (event.key === "g") { going = Date.now(); return undefined; }
  return undefined;
}

export function startKeys() {
  const off = help()?.querySelector("[name=keys-off]");
  if (off) {
    off.checked = localStorage.getItem(OFF) === "yes";
    off.addEventListener("change", () => localStorage.setItem(OFF, off.checked ? "yes" : "no"));
  }
  for (const button of document.querySelectorAll("[data-help]")) {
    button.hidden = false;
    button.addEventListener("click", () => help()?.showModal());
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (localStorage.getItem(OFF) === "yes" && event.key !== "?") return;
    if (going && Date.now() - going < 1500 && PLACES[event.key]) return go(event.key);
    if (["j", "k", "/", "?", "g", "c"].includes(event.key)) {
      event.preventDefault();
      press(event);
    }
  });
}
