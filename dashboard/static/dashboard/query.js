// The query bar while one types: colours, offers of fields and top values, what is wrong and where. Enter asks.

import { fetchInto, show } from "./fetch.js";
import { paint } from "./paint.js";

const PAUSE = 120; // ms without a key before offers are fetched
let timer = 0;
let asked = { text: "", at: 0, submits: false }; // what the server was last asked about
let picked = -1; // the offer that Tab takes
let moved = false; // by arrows: then Enter takes it too

const ask = () => document.getElementById("ask");
const form = () => ask()?.closest(".query-bar[data-suggests]");
const box = () => document.getElementById("offers");
const offers = () => [...(box()?.querySelectorAll(".offer") ?? [])];
// The server counts characters, the browser's fields count UTF-16 units.
const points = (text, units) => [...text.slice(0, units)].length;
const units = (text, count) => [...text].slice(0, count).join("").length;

export const offering = () => box()?.hidden === false;

export function closeOffers() {
  clearTimeout(timer);
  if (!box()) return;
  box().hidden = true;
  picked = -1;
  moved = false;
  ask().setAttribute("aria-expanded", "false");
  ask().removeAttribute("aria-activedescendant");
}

function fetchOffers(submits) {
  const field = ask();
  const at = submits ? 0 : points(field.value, field.selectionStart) + 1;
  asked = { text: field.value, at, submits };
  const url = new URL(form().dataset.suggests, location.href);
  for (const input of form().querySelectorAll("input[type=hidden]")) url.searchParams.set(input.name, input.value);
  url.searchParams.set("text", field.value);
  url.searchParams.set("at", at);
  fetchInto(url.pathname + url.search, "#offers", {}, form());
}

function pick(at) {
  picked = at;
  offers().forEach((offer, index) => offer.setAttribute("aria-selected", index === at ? "true" : "false"));
  const chosen = offers()[at];
  if (!chosen) return;
  ask().setAttribute("aria-activedescendant", chosen.id);
  chosen.scrollIntoView({ block: "nearest" });
}

function write(text, cursor) {
  ask().value = text;
  ask().setSelectionRange(cursor, cursor);
  showFault(null);
  paint(ask());
}

function take(offer) {
  const { start, end } = box().querySelector(".offers-answer").dataset;
  const text = ask().value;
  const [from, to] = [units(text, Number(start)), units(text, Number(end))];
  const whole = !offer.dataset.takes.endsWith(":");
  const space = whole && to === text.length ? " " : "";
  const taken = text.slice(0, from) + offer.dataset.takes + space;
  write(taken + text.slice(to), taken.length);
  closeOffers();
  ask().focus();
  if (!whole) fetchOffers(false);
}

function showFault(fault) {
  const below = document.getElementById("query-below");
  below?.querySelector(".query-fault")?.remove();
  below?.classList.toggle("faulty", fault !== null);
  if (fault) below?.prepend(fault);
  if (fault) ask().setAttribute("aria-invalid", "true");
  else ask().removeAttribute("aria-invalid");
  ask().setAttribute("aria-describedby", fault ? "query-error" : "query-help");
}

// Puts the nearest right word in the place of the wrong one.
function mend() {
  const fault = document.querySelector("#query-below .query-fault");
  if (!fault?.dataset.nearest) return false;
  const text = ask().value;
  const from = units(text, Number(fault.dataset.from) - 1);
  const to = units(text, Number(fault.dataset.from) - 1 + Number(fault.dataset.length));
  write(text.slice(0, from) + fault.dataset.nearest + text.slice(to), from + fault.dataset.nearest.length);
  ask().focus();
  return true;
}

function answered() {
  const answer = box().querySelector(".offers-answer");
  if (!answer || answer.dataset.text !== asked.text || Number(answer.dataset.at) + 1 !== asked.at) return;
  if (ask().value !== asked.text) return;
  showFault(answer.querySelector(".query-fault"));
  paint(ask());
  if (asked.submits) {
    asked.submits = false;
    closeOffers();
    if (!document.querySelector("#query-below.faulty")) submit();
    return;
  }
  const some = offers().length > 0 && document.activeElement === ask();
  box().hidden = !some;
  ask().setAttribute("aria-expanded", String(some));
  const column = Math.min(Number(answer.dataset.start), Math.max(0, Math.floor(ask().clientWidth / 8) - 46));
  box().previousElementSibling.textContent = "\u00a0".repeat(column); // no style attribute: the policy forbids them
  moved = false;
  if (some) pick(0);
}

function submit() {
  const url = new URL(form().action);
  for (const [name, value] of new FormData(form())) if (value.trim()) url.searchParams.set(name, value.trim());
  show(url.pathname + url.search);
}

function restore() {
  if (ask().value === form().dataset.understood && !document.querySelector("#query-below.faulty")) return ask().blur();
  return write(form().dataset.understood, form().dataset.understood.length);
}

function press(event) {
  const open = offering();
  if (event.key === "ArrowDown" && !open) fetchOffers(false);
  else if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    const step = event.key === "ArrowDown" ? 1 : -1;
    moved = true;
    pick((picked + step + offers().length) % offers().length);
  } else if (event.key === "Tab" && !event.shiftKey && open) take(offers()[picked]);
  else if (event.key === "Tab" && !event.shiftKey && mend()) event.stopPropagation();
  else if (event.key === "Enter" && open && moved) take(offers()[picked]);
  else if (event.key === "Enter") {
    closeOffers();
    fetchOffers(true);
  } else if (event.key === "Escape" && open) closeOffers();
  else if (event.key === "Escape") restore();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function typed() {
  showFault(null);
  paint(ask());
  clearTimeout(timer);
  timer = setTimeout(() => { if (form() && document.activeElement === ask()) fetchOffers(false); }, PAUSE);
}

// Makes the bar that is in the page ready; a bar that came with an answer is another one.
export function startQuery() {
  const field = ask();
  if (!form() || field.dataset.ready) return;
  field.dataset.ready = "yes";
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", "offers-list"]]) field.setAttribute(name, value);
  document.getElementById("query-below")?.classList.toggle("faulty", document.querySelector("#query-below .query-fault") !== null);
  field.addEventListener("keydown", press);
  field.addEventListener("input", typed);
  field.addEventListener("scroll", () => paint(field));
  field.addEventListener("blur", () => setTimeout(closeOffers));
  form().addEventListener("submit", (event) => {
    event.preventDefault();
    fetchOffers(true);
  });
  // A press on an offer must not take the focus out of the bar, or the offers close before they are taken.
  box().addEventListener("pointerdown", (event) => event.preventDefault());
  box().addEventListener("click", (event) => {
    const offer = event.target.closest(".offer");
    if (offer) take(offer);
  });
  for (const more of document.querySelectorAll("[data-more]")) {
    more.hidden = false;
    more.addEventListener("click", () => {
      if (field.value && !field.value.endsWith(" ")) write(`${field.value} `, field.value.length + 1);
      field.focus();
      fetchOffers(false);
    });
  }
  paint(field);
}

document.addEventListener("click", (event) => { if (event.target.closest("[data-mends]")) mend(); });
document.addEventListener("htmx:after:swap", (event) => { if (event.detail?.ctx?.target?.id === "offers") answered(); });
