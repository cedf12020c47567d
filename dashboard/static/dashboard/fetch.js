// Asks htmx for an address as a link of ours would: the old rows stay until the new ones are there.

const nonce = () => document.querySelector("script[nonce]").nonce;

// `more` are further hx- attributes; `parent` must stay in the page until the answer is there.
export function fetchInto(address, target, more = {}, parent = document.body) {
  parent.querySelector(":scope > a.asking")?.remove();
  const link = document.createElement("a");
  link.className = "asking";
  const swap = target === "#rows" || target === "#answer" ? "outerHTML" : "innerHTML";
  const all = { "hx-get": address, "hx-target": target, "hx-swap": swap, "hx-trigger": "tick", "hx-nonce": nonce(), ...more };
  for (const [name, value] of Object.entries(all)) link.setAttribute(name, value);
  link.hidden = true;
  parent.append(link);
  globalThis.htmx.process(link);
  link.dispatchEvent(new Event("tick"));
}

// Shows another question in place, or as a page of its own where there is no answer to replace.
export function show(address) {
  if (!document.getElementById("answer")) return location.assign(address);
  return fetchInto(address, "#answer", { "hx-push-url": "true" });
}
