// The player without this file: resumes by the address, browser's own controls. Here: skipping, captions, half speed,
// jumping from what is said, and keeping where one stopped: on this device until the server has it, with the time it was
// watched, so that what is told late takes nobody back who has watched on elsewhere.
"use strict";

const player = document.getElementById("player");
const { media } = player.dataset;
const waiting = document.body.dataset.person && `position-${document.body.dataset.person}-`;
const token = document.querySelector("meta[name=csrf-token]").content;
const start = Number(player.dataset.start);
let kept = start;

function jump(seconds) {
  player.currentTime = Math.max(0, Math.min(seconds, player.duration || seconds));
}

function store() {
  const now = player.ended ? player.duration : player.currentTime;
  if (!Number.isFinite(now) || Math.abs(now - kept) < 1) return;
  kept = now;
  const told = JSON.stringify({ seconds: now, watched_at: new Date().toISOString() });
  if (waiting) try { localStorage.setItem(waiting + media, told); } catch { /* full: it is told all the same */ }
  tell(media, told).catch(() => { kept = -10; });
}

// Where to go on, as the server has it now: perhaps another device watched later.
async function tell(about, told) {
  const answer = await fetch(`/api/training/media/${about}/position`, {
    method: "PUT", keepalive: true, headers: { "Content-Type": "application/json", "X-CSRF-Token": token },
    body: JSON.stringify({ ...JSON.parse(told), sent_at: new Date().toISOString() }),
  });
  const isTold = answer.ok || [404, 422].includes(answer.status);
  if (isTold && waiting && localStorage.getItem(waiting + about) === told) localStorage.removeItem(waiting + about);
  return answer.ok ? (await answer.json()).seconds : null;
}
async function tellWaiting() {
  for (const key of Object.keys(localStorage).filter((one) => waiting && one.startsWith(waiting))) {
    const about = key.slice(waiting.length);
    const seconds = await tell(about, localStorage.getItem(key)).catch(() => null);
    const isAsWas = player.paused && Math.abs(player.currentTime - start) < 1;
    if (about === media && seconds !== null && isAsWas && !new URLSearchParams(location.search).has("t")) jump(seconds);
  }
}
window.addEventListener("online", tellWaiting);
tellWaiting();

player.addEventListener("loadedmetadata", () => { if (start && Math.abs(player.currentTime - start) > 1) jump(start); }, { once: true });
player.addEventListener("pause", store);
player.addEventListener("ended", store);
player.addEventListener("timeupdate", () => { if (Math.abs(player.currentTime - kept) >= 5) store(); });
window.addEventListener("pagehide", store);

const cues = [...document.querySelectorAll("[data-at]")];
cues.forEach((link) => link.addEventListener("click", (event) => {
  event.preventDefault();
  jump(Number(link.dataset.at));
  player.play().catch(() => {});
}));
player.addEventListener("timeupdate", () => {
  const current = cues.filter((link) => Number(link.dataset.at) <= player.currentTime + 0.05).at(-1);
  cues.forEach((link) => link.toggleAttribute("aria-current", link === current));
  current?.setAttribute("aria-current", "true");
});

document.querySelectorAll("[data-skip]").forEach((button) => button.addEventListener("click", () => jump(player.currentTime + Number(button.dataset.skip))));

const captions = document.querySelector("[data-captions]");
const shown = [...player.textTracks].find((track) => track.mode === "showing") ?? player.textTracks[0];
captions?.addEventListener("click", () => {
  const on = captions.getAttribute("aria-pressed") !== "true";
  captions.setAttribute("aria-pressed", String(on));
  for (const track of player.textTracks) track.mode = on && track === shown ? "showing" : "disabled";
});

const slow = document.querySelector("[data-slow]");
slow.addEventListener("click", () => {
  const on = slow.getAttribute("aria-pressed") !== "true";
  slow.setAttribute("aria-pressed", String(on));
  player.playbackRate = on ? 0.5 : 1;
});

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, textarea, select, button, a, video")) return;
  const act = { k: () => (player.paused ? player.play().catch(() => {}) : player.pause()), j: () => jump(player.currentTime - 10), l: () => jump(player.currentTime + 10), c: () => captions?.click() }[event.key];
  if (act) { event.preventDefault(); act(); }
});

// Addresses of the files last an hour: whoever comes back later gets new ones, once, at the same second.
player.addEventListener("error", () => {
  const at = Math.floor(player.currentTime || start);
  const again = new URL(location.href);
  if (again.searchParams.get("again")) return;
  again.searchParams.set("again", "1");
  again.searchParams.set("t", String(at));
  location.replace(again);
}, true);
