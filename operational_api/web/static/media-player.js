// The player without this file: resumes by the address, browser's own controls. Here: skipping, captions, half speed,
// jumping from what is said, and keeping where one stopped.
"use strict";

const player = document.getElementById("player");
const keep = `/api/training/media/${player.dataset.media}/position`;
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
  fetch(keep, {
    method: "PUT", keepalive: true, headers: { "Content-Type": "application/json", "X-CSRF-Token": token },
    body: JSON.stringify({ seconds: now }),
  }).catch(() => { kept = -10; });
}

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
