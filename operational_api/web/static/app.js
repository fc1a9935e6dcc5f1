// Progressive enhancement only: every page and form works without this file.
"use strict";

const root = document.documentElement;

// What scripts say, in the page's language: a page that is not English brings the words along.
const words = JSON.parse(document.getElementById("plyo-words")?.textContent ?? "{}");
function word(text, ...values) { // eslint-disable-line no-unused-vars -- for the other scripts as well
  return (words[text] ?? text).replace(/\{(\d)\}/g, (_, place) => values[place - 1]);
}

// A theme the person chose wins over the system's.
const themes = ["auto", "light", "dark"];
const themeNames = { auto: word("auto"), light: word("light"), dark: word("dark") };
function applyTheme(theme) {
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
}
function storedTheme() {
  try { return localStorage.getItem("theme") ?? "auto"; } catch { return "auto"; }
}
applyTheme(storedTheme());

document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  if (!target) return;
  if (target.closest("[data-theme-toggle]")) {
    const next = themes[(themes.indexOf(storedTheme()) + 1) % themes.length];
    try { localStorage.setItem("theme", next); } catch { /* private mode: lasts for this page */ }
    applyTheme(next);
    document.querySelectorAll("[data-theme-name]").forEach((label) => { label.textContent = themeNames[next]; });
  }
  target.closest("[data-dismiss]")?.closest(".flash")?.remove();
  const reveal = target.closest("[data-reveal]");
  if (reveal) {
    const input = document.getElementById(reveal.dataset.reveal);
    input.type = input.type === "password" ? "text" : "password";
    reveal.textContent = input.type === "password" ? word("Show") : word("Hide");
    reveal.setAttribute("aria-pressed", String(input.type === "text"));
  }
  document.querySelectorAll("details.menu[open]").forEach((menu) => { if (!menu.contains(target)) menu.open = false; });
});

// One press sends a form once. The page coming back from the browser's cache is usable again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  const question = event.submitter?.dataset.confirm ?? form.dataset.confirm;
  if (question && !window.confirm(question)) { event.preventDefault(); return; }
  if (form.method === "post" && !navigator.onLine) { event.preventDefault(); showConnection("notSent"); return; }
  if (form.dataset.sent) { event.preventDefault(); return; }
  if (form.method === "post") {
    form.dataset.sent = "true";
    event.submitter?.classList.add("is-busy");
  }
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => { delete form.dataset.sent; });
  document.querySelectorAll(".is-busy").forEach((button) => { button.classList.remove("is-busy"); });
});

document.addEventListener("change", (event) => {
  if (event.target instanceof Element && event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
});

// What somebody typed is not lost when a form is refused: the page they come back to has it again. Kept for this tab
// until the next page; secrets and files never.
const typed = {
  read() { try { return JSON.parse(sessionStorage.getItem("typed")); } catch { return null; } },
  keep(told) { try { if (told) sessionStorage.setItem("typed", JSON.stringify(told)); else sessionStorage.removeItem("typed"); } catch { /* private mode */ } },
  fields(form) {
    const isSecret = [...form.elements].some((part) => part.type === "password");
    return isSecret ? [] : [...form.elements].filter((part) => part.name && !["hidden", "file", "submit", "button", "fieldset"].includes(part.type));
  },
};
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  const values = typed.fields(form).map((part) => [part.name, part.value, ["radio", "checkbox"].includes(part.type) ? part.checked : null]);
  typed.keep(values.length ? { action: form.getAttribute("action"), values } : null);
});
(() => {
  const kept = typed.read();
  if (!kept) return;
  if (document.querySelector("[data-refused]")) { typed.keep({ ...kept, isRefused: true }); return; }
  typed.keep(null);
  if (!kept.isRefused && !document.querySelector(".flash[data-tone=bad]")) return;
  const form = [...document.forms].find((one) => one.getAttribute("action") === kept.action);
  if (!form) return;
  const left = [...kept.values];
  for (const part of typed.fields(form)) {
    const place = left.findIndex(([name, value, isOn]) => name === part.name && (isOn === null || value === part.value));
    if (place < 0) continue;
    const [[, value, isOn]] = left.splice(place, 1);
    if (isOn === null) part.value = value; else part.checked = isOn;
  }
  const fold = form.closest("details");
  if (fold) fold.open = true;
})();

// A list that is all there is narrowed where it is.
document.addEventListener("input", (event) => {
  const list = event.target instanceof HTMLInputElement && document.getElementById(event.target.dataset.filter ?? "");
  if (!list) return;
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const wanted = plain(event.target.value).split(/\s+/).filter(Boolean);
  let count = 0;
  for (const item of list.children) {
    const told = plain(item.textContent);
    item.hidden = !wanted.every((one) => told.includes(one));
    if (!item.hidden) count += 1;
  }
  const note = event.target.closest(".field").querySelector("[data-filter-told]");
  note.textContent = count ? "" : note.dataset.filterTold;
});

document.querySelectorAll("[data-theme-name]").forEach((label) => { label.textContent = themeNames[storedTheme()]; });
document.querySelectorAll("[data-needs-script]").forEach((part) => { part.hidden = false; });
document.querySelectorAll("[data-time-zone]").forEach((input) => {
  input.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
});

// Guests read times in their own zone from the second page on; people who are signed in have theirs in the profile.
document.cookie = `plyo_tz=${encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC")}; path=/; max-age=31536000; samesite=lax`;

const note = document.querySelector("[data-offline-note]");
function showConnection(words) { if (note) [note.hidden, note.textContent] = [navigator.onLine, note.dataset[words]]; }
for (const change of ["online", "offline"]) window.addEventListener(change, () => showConnection("offlineNote"));
showConnection("offlineNote");

let installPrompt = null;
window.addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  installPrompt = event;
  document.querySelectorAll("[data-install]").forEach((button) => { button.hidden = false; });
});
document.querySelectorAll("[data-install]").forEach((button) => button.addEventListener("click", () => installPrompt?.prompt()));

// A page that waits for something is loaded anew when that is there, not again and again under somebody who reads it.
const again = document.querySelector("meta[name=plyo-again]");
let isTouched = false; // who has begun to type keeps the page as it is
document.addEventListener("input", () => { isTouched = true; });
if (again) setInterval(async () => {
  const told = await fetch(window.location.href).then((answer) => answer.text(), () => null);
  if (told !== null && !told.includes('name="plyo-again"') && !isTouched) window.location.reload();
}, again.content * 1000);

// How much is new: at the menu's entries and, where the browser has it, on the app's icon. A page that was kept for when
// there is no network says nothing of now.
function showTotal() {
  if (!navigator.onLine || !("setAppBadge" in navigator)) return;
  const counts = new Map([...document.querySelectorAll("[data-count]")].map((one) => [one.dataset.count, Number(one.querySelector("[data-number]").textContent)]));
  const total = [...counts.values()].reduce((sum, one) => sum + one, 0);
  (total ? navigator.setAppBadge(total) : navigator.clearAppBadge()).catch(() => {});
}
showTotal();

// For pages' own scripts: fetch with the token that proves the request comes from our own page.
window.plyo = {
  count(href, number) {
    for (const one of document.querySelectorAll(`[data-count="${href}"]`)) {
      one.querySelector("[data-number]").textContent = number;
      one.hidden = !number;
    }
    showTotal();
  },
  post(url, body) {
    return fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": document.querySelector("meta[name=csrf-token]").content },
      body: JSON.stringify(body ?? {}),
    });
  },
};

if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js");
