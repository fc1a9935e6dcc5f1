// A workout that is typed where there is no network stays on this device until the server has it: nothing typed is lost
// with a tab that closes, and the id that the form carries makes sending it twice harmless. Each person's stay their own.
"use strict";

(() => {
  const person = document.body.dataset.person;
  if (!person) return;
  const PREFIX = `workout-${person}-`;
  const PATIENCE_MS = 15_000;
  const note = document.querySelector("[data-kept-note]");
  const form = document.getElementById("log");

  function keep(id, entry) {
    try { localStorage.setItem(PREFIX + id, JSON.stringify(entry)); } catch { /* full: the page still has it */ }
  }
  const forget = (id) => localStorage.removeItem(PREFIX + id);
  const all = () => Object.keys(localStorage).filter((key) => key.startsWith(PREFIX))
    .map((key) => ({ id: key.slice(PREFIX.length), ...JSON.parse(localStorage.getItem(key)) }));

  function say(text, ...ways) {
    note.replaceChildren(text, ...ways);
    note.hidden = !text;
  }
  function way(label, act) {
    const made = document.createElement(typeof act === "string" ? "a" : "button");
    made.textContent = label;
    if (typeof act === "string") made.href = act;
    else { made.type = "button"; made.addEventListener("click", act); }
    return made;
  }

  // What became of it: "saved", "waiting" for a network or a sign-in, or "refused" with the reason.
  async function send(entry) {
    try {
      const answer = await fetch("/training/log", {
        method: "POST",
        body: new URLSearchParams([...entry.fields, ["sent_at", new Date().toISOString()]]), // what our clock says now
        redirect: "manual",
        signal: AbortSignal.timeout(PATIENCE_MS),
        headers: {
          "Accept": "application/json",
          "X-CSRF-Token": document.querySelector("meta[name=csrf-token]").content,
        },
      });
      if (answer.type === "opaqueredirect") return ["saved"];
      if (answer.status >= 500 || [401, 403, 408, 429].includes(answer.status)) return ["waiting"];
      const problem = answer.headers.get("Content-Type")?.includes("json") ? await answer.json() : {};
      return ["refused", problem.detail ?? word("Something in it is not right.")];
    } catch {
      return ["waiting"];
    }
  }

  async function sendWaiting() {
    for (const entry of all().filter((one) => one.state === "waiting")) {
      const [outcome, words] = await send(entry);
      if (outcome === "refused") keep(entry.id, { ...entry, state: "refused", words });
      if (outcome === "saved") {
        forget(entry.id);
        keepUsed(entry.id);
        say(word("Your workout is saved."), " ", way(word("Have a look"), `/training/workouts/${entry.id}`));
      }
    }
    tell();
  }
  function tell() {
    const refused = all().find((one) => one.state === "refused");
    const waiting = all().filter((one) => one.state === "waiting").length;
    if (refused) {
      say(word("{1} was not accepted: {2}", refused.title, refused.words), " ",
        ...refused.isFree ? [] : [way(word("Open it"), `/training/log?workout=${refused.id}`), " "],
        way(word("Forget it"), () => { forget(refused.id); say(""); tell(); }));
    } else if (waiting) {
      say(waiting === 1 ? word("A workout is kept on this device and saved as soon as there is a network.")
        : word("{1} workouts are kept on this device and saved as soon as there is a network.", waiting), " ",
      way(word("Try now"), deliver));
    }
  }
  // One tab at a time; where browsers cannot say whose turn it is, the server takes the second for what it is.
  const deliver = () => navigator.locks ? navigator.locks.request(PREFIX, sendWaiting) : sendWaiting();

  // Ids that were used: a form that the service worker kept has the same one each time it is opened.
  const USED = `used-${person}`;
  const used = () => JSON.parse(localStorage.getItem(USED) ?? "[]");
  function keepUsed(id) { localStorage.setItem(USED, JSON.stringify([...used(), id].slice(-50))); }

  // The form.
  const NOT_KEPT = ["csrf_token", "action", "find", "searched"];
  const fieldsOf = () => [...new FormData(form)].filter(([name]) => !NOT_KEPT.includes(name));
  const TYPED = ["weight_kg", "reps", "rpe", "assistance_kg", "distance", "time"];
  const rowsOf = (fields, block) => {
    const of = (name) => fields.filter(([one]) => one === name).map(([, value]) => value);
    const [ids, letters] = ["exercise_id", "superset"].map(of);
    const typed = TYPED.map((name) => [name, of(name)]);
    const [id, letter] = ["exercise_id", "superset"].map((name) => block.querySelector(`[name=${name}]`).value);
    const places = [...ids.keys()].filter((place) => ids[place] === id && letters[place] === letter);
    return places.map((place) => Object.fromEntries(typed.map(([name, values]) => [name, values[place] ?? ""])));
  };
  function fill(entry) {
    for (const block of form.querySelectorAll("[data-block]")) {
      const rows = rowsOf(entry.fields, block);
      if (!rows.length) { block.remove(); continue; }
      const sets = () => [...block.querySelectorAll("[data-set]")];
      while (sets().length < rows.length) block.querySelector("[data-add-set]").click();
      sets().slice(rows.length).forEach((row) => row.querySelector("[data-remove-set]").click());
      sets().forEach((row, index) => {
        for (const [name, value] of Object.entries(rows[index])) row.querySelector(`[name=${name}]`).value = value;
      });
    }
    for (const name of ["duration_minutes", "session_rpe", "note"]) {
      form.elements[name].value = entry.fields.find(([one]) => one === name)?.[1] ?? "";
    }
  }
  // Movements that this page does not show are drawn by the server, from what was typed.
  function drawAgain(entry) {
    const typed = "[data-block], [name=duration_minutes], [name=session_rpe], [name=note]";
    form.querySelectorAll(typed).forEach((part) => part.remove());
    for (const [name, value] of entry.fields) {
      if (["workout_id", "mode", "title", "scale"].includes(name)) continue;
      form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    }
    form.elements.workout_id.value = entry.id;
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "action", value: "find" }));
    form.submit();
  }

  function begin() {
    const isTyped = Boolean(form.closest("[data-typed]")); // the server drew it from what was typed: that is the newest
    const known = all();
    let entry = known.find((one) => one.id === form.elements.workout_id.value);
    const isFree = entry?.isFree ?? !new URLSearchParams(location.search).has("workout");
    if (isFree && !isTyped && (entry?.state === "waiting" || used().includes(form.elements.workout_id.value))) {
      form.elements.workout_id.value = crypto.randomUUID();
      entry = undefined;
    }
    const isEmpty = isFree && !form.querySelector("[data-block]");
    const begun = isEmpty ? known.find((one) => one.state === "draft" && one.isFree) : undefined;
    const typed = () => ({ state: "draft", isFree, title: form.elements.title.value, fields: fieldsOf() });
    if (isTyped) keep(form.elements.workout_id.value, typed());
    else if (["draft", "refused"].includes(entry?.state)) fill(entry);
    else if (begun && navigator.onLine) {
      say(word("You had begun a workout."), " ", way(word("Go on with it"), () => drawAgain(begun)), " ",
        way(word("Forget it"), () => { forget(begun.id); say(""); }));
    }
    form.addEventListener("input", () => keep(form.elements.workout_id.value, typed()));
    form.addEventListener("submit", async (event) => {
      if ((event.submitter?.value ?? "save") !== "save") return;
      event.preventDefault();
      event.stopPropagation(); // here it is not lost without a network
      if (form.dataset.sent) return;
      form.dataset.sent = "true";
      event.submitter?.classList.add("is-busy");
      const id = form.elements.workout_id.value;
      const draft = typed();
      const doneAt = ["done_at", new Date().toISOString()];
      const waiting = { ...draft, state: "waiting", fields: [...draft.fields, doneAt] };
      keep(id, waiting);
      const [outcome] = await send(waiting);
      delete form.dataset.sent;
      event.submitter?.classList.remove("is-busy");
      if (outcome === "saved") { forget(id); keepUsed(id); location.assign(`/training/workouts/${id}`); }
      if (outcome === "waiting") { tell(); form.querySelector(".save-bar").hidden = true; }
      if (outcome === "refused") { keep(id, draft); form.submit(); } // the server draws it with what is wrong
    });
  }

  // The form of today's workout is there without a network too, though nobody opened it yet.
  async function fetchForm() {
    const link = document.querySelector("a[href^='/training/log?workout=']");
    if (!link || !navigator.onLine || !window.caches || await caches.match(link.href)) return;
    const answer = await fetch(link.href, { headers: { "Accept": "text/html" } });
    const whose = answer.headers.get("X-Plyo-Person");
    if (!answer.ok || !whose || !answer.headers.has("X-Plyo-Offline")) return;
    await (await caches.open(`person-${whose}`)).put(link.href, answer);
  }

  // Nobody follows a plan while a health answer waits: what the service worker kept of it goes, with the first page that
  // says so. This page is no such one.
  async function forgetPlan() {
    for (const name of (await caches.keys()).filter((one) => one.startsWith("person-"))) {
      const cache = await caches.open(name);
      for (const kept of await cache.keys()) {
        const { href, pathname } = new URL(kept.url);
        if (["/home", "/training", "/training/log"].includes(pathname) && href !== location.href) await cache.delete(kept);
      }
    }
  }

  // Who signs out leaves nothing behind but what is still to be saved.
  document.addEventListener("submit", (event) => {
    if (!event.target.getAttribute("action")?.endsWith("/auth/logout")) return;
    all().filter((one) => one.state !== "waiting").forEach((one) => forget(one.id));
    if (!all().length) localStorage.removeItem(USED);
  });

  if (form && form.elements.mode.value === "log") begin();
  window.addEventListener("online", deliver);
  deliver();
  if (document.querySelector("[data-on-hold]") && window.caches && navigator.onLine) forgetPlan();
  fetchForm().catch(() => { /* without a network there is nothing to fetch */ });
})();
