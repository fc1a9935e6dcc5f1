// Sends a video in parts. The network may go and come back, the page may be closed: the same file again goes on where it
// was. Without this file the form sends small videos whole.
"use strict";

const form = document.getElementById("upload");
const token = document.querySelector("meta[name=csrf-token]").content;
const box = form?.querySelector("[data-progress]");
const PART = Number(box?.dataset.partBytes);
document.querySelectorAll("[data-without-script]").forEach((part) => { part.hidden = true; });

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const digest = (buffer) => crypto.subtle.digest("SHA-256", buffer);

class Refused extends Error {}

async function ask(method, url, body, headers) {
  for (let turn = 0; ; turn += 1) {
    try {
      const answer = await fetch(url, { method, body, headers: { "X-CSRF-Token": token, Accept: "application/json", ...headers } });
      if (answer.ok) return await answer.json();
      const told = await answer.json().catch(() => ({}));
      if (answer.status < 500 && answer.status !== 429) throw new Refused(told.detail || word("It was not taken."));
      if (turn > 8) throw new Refused(told.detail || word("It cannot be sent right now. Choose the same file again later."));
    } catch (error) {
      if (error instanceof Refused) throw error;
      if (turn > 60) throw new Refused(word("The network is gone. Choose the same file again later: what has arrived stays."));
      say(navigator.onLine ? word("Trying again …") : word("No network. We go on when it is back …"));
    }
    await new Promise((done) => {
      const timer = setTimeout(done, Math.min(500 * 2 ** turn, 15000));
      window.addEventListener("online", () => { clearTimeout(timer); done(); }, { once: true });
    });
  }
}

function say(text, share) {
  box.hidden = false;
  box.querySelector("p").textContent = text;
  if (share !== undefined) box.querySelector(".fill").setAttribute("width", String(100 * share));
}

async function send(file) {
  say(word("Reading the video …"), 0);
  const digests = [];
  for (let at = 0; at < file.size; at += PART) digests.push(new Uint8Array(await digest(await file.slice(at, at + PART).arrayBuffer())));
  const all = new Uint8Array(32 * digests.length);
  digests.forEach((one, index) => all.set(one, 32 * index));
  const field = (name) => form.elements.namedItem(name)?.value || null;
  const begun = await ask("POST", "/api/training/media", JSON.stringify({
    title: field("title"), size_bytes: file.size, sha256: hex(await digest(all)),
    exercise_id: field("exercise_id") ? Number(field("exercise_id")) : null, workout_id: field("workout_id"),
  }), { "Content-Type": "application/json" });
  if (begun.part_bytes !== PART) throw new Refused(word("Reload this page and try again."));
  const arrived = new Set(begun.arrived);
  for (let number = 1; number <= begun.part_count; number += 1) {
    if (!arrived.has(number)) {
      const part = await file.slice((number - 1) * PART, number * PART).arrayBuffer();
      await ask("PUT", `/api/training/media/${begun.id}/parts/${number}`, part, {
        "Content-Type": "application/octet-stream", "X-Content-SHA256": hex(digests[number - 1]),
      });
    }
    say(word("{1} % sent", Math.round((100 * number) / begun.part_count)), number / begun.part_count);
  }
  await ask("POST", `/api/training/media/${begun.id}/completion`, "{}", { "Content-Type": "application/json" });
  location.assign(`/media/${begun.id}`);
}

// Digests need a secure origin (https, or this machine); without one the form sends the file whole.
if (form && window.isSecureContext) {
  form.addEventListener("submit", (event) => {
    const file = form.elements.namedItem("file").files[0];
    if (!file) return;
    event.preventDefault();
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    send(file).catch((error) => {
      say(error instanceof Refused ? error.message : word("Something broke. Choose the same file again."), 0);
      button.disabled = false;
      button.classList.remove("is-busy");
      delete form.dataset.sent;
    });
  });
}
