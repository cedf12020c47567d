// Follows the newest events every two seconds; stops while the tab is hidden, the page is scrolled or text is chosen, and says so.

import { fetchInto } from "./fetch.js";

const EVERY = 2000;
const WHY = { hidden: "this tab was hidden", scroll: "you scrolled", selection: "you selected text", drawer: "an event is open" };
let halted = "";
let busy = false;

const rows = () => document.querySelector("#rows[data-live]");

function reason() {
  if (document.hidden) return "hidden";
  if (document.querySelector("#drawer [data-closes]")) return "drawer";
  if (scrollY > 80) return "scroll";
  return document.getSelection()?.isCollapsed === false ? "selection" : "";
}

// The reason why the list stands still; empty when it follows.
function halt(why) {
  halted = why;
  document.getElementById("range-live")?.classList.toggle("halted", why !== "");
}

function look() {
  const box = rows();
  if (!box || busy) return;
  const now = reason();
  if (now) halt(now);
  if (now === "hidden") return;
  busy = true;
  const address = new URL(box.dataset.live, location.href);
  if (halted) {
    address.searchParams.set("seen", box.dataset.newest);
    fetchInto(address.pathname + address.search, "#waiting", {}, rows());
  } else {
    fetchInto(address.pathname + address.search, "#rows", {}, rows());
  }
}

export function startLive() {
  let seen = new Set([...document.querySelectorAll("#rows .row-link")].map((link) => link.id));
  let followed = rows() !== null;  // an empty list too: what comes into it is new
  document.addEventListener("htmx:after:swap", (event) => {
    busy = false;
    if (event.detail?.ctx?.target?.id === "answer") halt("");
    const box = rows();
    const before = followed && event.detail?.ctx?.target?.id !== "answer"; // another question: nothing of it is new
    followed = box !== null;
    if (!box) return;
    const why = box.querySelector("[data-why]");
    if (why && halted) why.textContent = WHY[halted];
    const links = [...box.querySelectorAll(".row-link")];
    if (before && !halted) {
      for (const link of links) if (!seen.has(link.id)) link.closest("tr").classList.add("new");
    }
    seen = new Set(links.map((link) => link.id));
  });
  for (const failed of ["htmx:error", "htmx:response:error"]) document.addEventListener(failed, () => { busy = false; });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-resume]")) return;
    event.preventDefault();
    halt("");
    document.getSelection()?.removeAllRanges();
    scrollTo(0, 0);
    busy = false;
    look();
  });
  setInterval(look, EVERY);
}
