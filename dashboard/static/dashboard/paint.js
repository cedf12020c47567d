// Colours the query bar: a painted copy of its text lies over the field, whose own letters are clear.

const PART = /("(?:[^"\\]|\\.)*"?)|(-)?([A-Za-z][\w-]*)(?=:|[<>]=?|=)|(\b(?:AND|OR|NOT)\b)|([:,()<>=*]+)|(-)(?=[A-Za-z"(])|([^\s:,()<>=*"]+|.)/gs;
const KINDS = ["", "", "query-minus", "query-name", "query-word", "query-mark", "query-minus", ""];

// Returns [class, text] pieces; the pieces together are the text.
export function pieces(text) {
  const found = [];
  let last = 0;
  for (const match of text.matchAll(PART)) {
    if (match.index > last) found.push(["", text.slice(last, match.index)]);
    for (const group of match.keys()) if (group && match[group]) found.push([KINDS[group], match[group]]);
    last = match.index + match[0].length;
  }
  if (last < text.length) found.push(["", text.slice(last)]);
  return found;
}

function copyOf(field) {
  let copy = field.parentElement.querySelector(".query-paint");
  if (!copy) {
    copy = document.createElement("div");
    copy.className = "query-paint";
    copy.setAttribute("aria-hidden", "true");
    copy.append(document.createElement("span"));
    field.after(copy);
    field.classList.add("painted");
  }
  return copy;
}

function span(css, text) {
  const one = document.createElement("span");
  one.className = css;
  one.textContent = text;
  return one;
}

// Cuts the pieces at the ends of the place that is not understood, which is underlined.
function* marked(all, from, to) {
  let at = 0;
  for (const [css, text] of all) {
    for (const [begin, end, wrong] of [[0, from, false], [from, to, true], [to, Infinity, false]]) {
      const part = text.slice(Math.max(begin - at, 0), Math.max(end - at, 0));
      if (part) yield span(wrong ? `${css} query-wrong` : css, part);
    }
    at += text.length;
  }
}

export function paint(field) {
  const copy = copyOf(field);
  const fault = document.querySelector("#query-below .query-fault");
  const text = field.value;
  const whole = [...text];
  const from = fault ? whole.slice(0, Number(fault.dataset.from) - 1).join("").length : 0;
  const to = fault ? whole.slice(0, Number(fault.dataset.from) - 1 + Number(fault.dataset.length)).join("").length : 0;
  const lack = fault && from >= text.length ? [span("query-wrong", "\u00a0")] : []; // something is missing at the end
  copy.firstChild.replaceChildren(...marked(pieces(text), from, to), ...lack);
  copy.scrollLeft = field.scrollLeft;
}
