// Lets the remaining times of leases run on from what the server said, by the time that passed since: whose clock is wrong sees the same.

const DAY = 86400;
const two = (value) => String(value).padStart(2, "0");

function words(seconds) {
  const days = Math.floor(seconds / DAY);
  const hours = Math.floor((seconds % DAY) / 3600);
  const rest = `${two(Math.floor((seconds % 3600) / 60))}:${two(seconds % 60)}`;
  if (days) return `${days} d ${two(hours)}:${rest}`;
  return hours ? `${two(hours)}:${rest}` : rest;
}

function tick() {
  for (const one of document.querySelectorAll("[data-left]")) {
    one.dataset.from ??= String(performance.now());
    const left = Number(one.dataset.left) - Math.floor((performance.now() - Number(one.dataset.from)) / 1000);
    const text = left > 0 ? words(left) : one.dataset.over;
    if (one.textContent !== text) one.textContent = text;
  }
}

export function startCountdown() {
  if (!document.querySelector("[data-left]")) return;
  tick();
  setInterval(tick, 1000);
}
