// Chooses a time in the picture, by dragging or by keys: arrows walk the bars, Shift extends, Enter shows, Escape lets go.

import { show } from "./fetch.js";

const SPOILT = ["range", "since", "until", "before", "after", "readers", "event", "tab", "seen", "facets"];
const NEAR = 4; // px: less is a click, not a drag
const number = new Intl.NumberFormat("en");
let chosen = null; // { brush, from, to, held }: bars between two edges
let release = null; // ends the dragging that goes on
let came = ""; // the address that a brush led to; Escape goes back from it

const bars = (brush) => JSON.parse(brush.dataset.bars);
const clamp = (value, most) => Math.min(Math.max(value, 0), most);

function counts(slots) {
  const parts = [[2, "ok"], [3, "denied"], [4, "error"]].map(([at, word]) => [slots.reduce((sum, slot) => sum + slot[at], 0), word]);
  const told = parts.filter(([count]) => count).map(([count, word]) => `${number.format(count)} ${word}`);
  if (slots.some((slot) => slot[5])) told.push("audit data is missing");
  return told.join(", ") || "no event";
}

function words(slots, from, to) {
  const [start, end] = [slots[from][1], slots[to][1]];
  const day = end.split(" ", 2).join(" ");
  const short = start.startsWith(`${day} `) ? end.slice(day.length + 1) : end;
  return `${start} to ${short}: ${counts(slots.slice(from, to))}`;
}

function draw(brush, from, to, held) {
  const slots = bars(brush);
  const most = slots.length - 1;
  const plot = brush.closest(".chart-box").querySelector(".chart-plot");
  const [left, right] = [from, to].map((edge) => `${(edge / most) * 100}%`);
  const ground = plot.querySelector(".brush-ground");
  ground.setAttribute("x", left);
  ground.setAttribute("width", `${((to - from) / most) * 100}%`);
  const range = plot.querySelector(".brush-range");
  range.setAttribute("visibility", "visible");
  range.classList.toggle("held", held);
  [...range.querySelectorAll(".brush-edge")].forEach((edge, at) => edge.setAttribute("x", at ? right : left));
  const label = range.querySelector("text");
  const late = from + to > most;
  label.setAttribute("x", late ? right : left);
  label.setAttribute("text-anchor", late ? "end" : "start");
  label.textContent = words(slots, from, to);
  brush.setAttribute("aria-valuenow", held ? to - 1 : from);
  brush.setAttribute("aria-valuetext", label.textContent);
}

function clear(brush) {
  release?.();
  const plot = brush?.closest(".chart-box")?.querySelector(".chart-plot");
  plot?.querySelector(".brush-range").setAttribute("visibility", "hidden");
  plot?.querySelector(".brush-ground").setAttribute("width", "0");
  chosen = null;
}

function apply(brush, from, to) {
  const slots = bars(brush);
  const here = document.getElementById("answer") ? location.href : document.querySelector("[data-place=events]").href;
  const url = new URL(here);
  for (const name of SPOILT) url.searchParams.delete(name);
  url.searchParams.set("since", new Date(slots[from][0]).toISOString());
  url.searchParams.set("until", new Date(slots[to][0]).toISOString());
  came = url.pathname + url.search;
  chosen = null;
  show(came);
}

function edgeAt(brush, event, round) {
  const box = brush.getBoundingClientRect();
  const most = bars(brush).length - 1;
  return clamp(round(((event.clientX - box.left) / box.width) * most), most);
}

function drag(brush, event) {
  const begun = event.clientX;
  const first = edgeAt(brush, event, Math.floor);
  const pull = (move) => {
    if (Math.abs(move.clientX - begun) < NEAR) return;
    const now = edgeAt(brush, move, Math.floor);
    const most = bars(brush).length - 1;
    chosen = { brush, from: Math.min(first, now), to: Math.min(Math.max(first, now) + 1, most), held: true };
    if (chosen.from === most) chosen.from = most - 1;
    draw(brush, chosen.from, chosen.to, true);
  };
  const end = (last) => {
    const found = last.type === "pointerup" && chosen?.held ? chosen : null;
    if (found) apply(brush, found.from, found.to);
    else clear(brush);
    release?.();
  };
  const heard = [["pointermove", pull], ["pointerup", end], ["pointercancel", end]];
  release = () => {
    release = null;
    for (const [name, handler] of heard) brush.removeEventListener(name, handler);
  };
  brush.setPointerCapture(event.pointerId);
  for (const [name, handler] of heard) brush.addEventListener(name, handler);
}

function walk(brush, event) {
  const most = bars(brush).length - 1;
  const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -most, End: most };
  const at = chosen?.brush === brush ? chosen : { brush, from: most - 1, to: most, mark: most - 1, now: most };
  if (!(event.key in steps)) return false;
  const now = clamp(at.now + (chosen ? steps[event.key] : Math.min(steps[event.key], 0)), most - 1);
  const mark = event.shiftKey && chosen ? at.mark : now;
  chosen = { brush, from: Math.min(mark, now), to: Math.max(mark, now) + 1, mark, now, held: mark !== now };
  draw(brush, chosen.from, chosen.to, chosen.held);
  return true;
}

function press(event) {
  const brush = event.target;
  const taken = walk(brush, event);
  if (event.key === "Enter" && chosen) apply(brush, chosen.from, chosen.to);
  else if (event.key === "Escape" && chosen) clear(brush);
  else if (!taken) return;
  event.preventDefault();
  event.stopPropagation();
}

// Returns whether there was something to let go of: a range half chosen, or the time that a brush led to.
export function leaveBrush() {
  if (chosen) {
    clear(chosen.brush);
    return true;
  }
  if (!came || came !== location.pathname + location.search) return false;
  came = "";
  history.back();
  return true;
}

export function startBrush() {
  for (const brush of document.querySelectorAll(".brush[hidden]")) {
    brush.hidden = false;
    brush.setAttribute("aria-valuemax", bars(brush).length - 2);
    brush.setAttribute("aria-valuetext", "no time chosen");
    brush.addEventListener("keydown", press);
    brush.addEventListener("blur", () => { if (chosen && !release) clear(brush); });
    brush.addEventListener("pointerdown", (event) => { if (event.button === 0) drag(brush, event); });
    brush.addEventListener("pointermove", (event) => {
      if (release || chosen) return;
      const at = clamp(edgeAt(brush, event, Math.floor), bars(brush).length - 2);
      draw(brush, at, at + 1, false);
    });
    brush.addEventListener("pointerleave", () => { if (!chosen) clear(brush); });
  }
}
