// What is logged, changed or deleted where there is no network stays on this device until the server has it: nothing
// typed is lost with a tab that closes, each thing is sent in the order it was done, and sending it twice is harmless. A
// workout that somebody else changed meanwhile is shown in both versions, and the person picks. Each person's stay their
// own.
"use strict";

(() => {
  const person = document.body.dataset.person;
  if (!person) return;
  const PREFIX = `workout-${person}-`;
  const PATIENCE_MS = 15_000;
  const LOG = "/training/log";
  const note = document.querySelector("[data-kept-note]");
  const form = document.getElementById("log");

  // An entry has the workout's id where it logs it, and "~" and a number behind that where it changes it. `order` is
  // that of what was done; `fields` are the form's, to `path`; `state` is draft, waiting, changed (by somebody else) or
  // refused.
  function keep(id, entry) {
    try { localStorage.setItem(PREFIX + id, JSON.stringify(entry)); } catch { /* full: the page still has it */ }
  }
  const forget = (id) => localStorage.removeItem(PREFIX + id);
  const all = () => Object.keys(localStorage).filter((key) => key.startsWith(PREFIX))
    .map((key) => ({ ...JSON.parse(localStorage.getItem(key)), id: key.slice(PREFIX.length) }))
    .sort((one, other) => (one.order ?? 0) - (other.order ?? 0));
  const workoutOf = (entry) => entry.id.split("~")[0];
  const fieldOf = (entry, name) => entry.fields.find(([one]) => one === name)?.[1];
  const withField = (entry, name, value) => [...entry.fields.filter(([one]) => one !== name), [name, String(value)]];
  const isLog = (entry) => !entry.id.includes("~");
  const isDeletion = (entry) => entry.path?.endsWith("/delete");
  const queued = (workout) => all().filter((one) => workoutOf(one) === workout && one.state !== "draft");
  const forgetAll = (workout) => all().filter((one) => workoutOf(one) === workout).forEach((one) => forget(one.id));
  // How many versions a workout will have had once all that waits is sent; null where nothing waits.
  function nextRevision(workout) {
    const last = queued(workout).at(-1);
    return last ? (isLog(last) ? 0 : Number(fieldOf(last, "revision")) + 1) : null;
  }
  function queue(workout, entry, isFirst = false) {
    const order = 1 + Math.max(0, ...all().map((one) => one.order ?? 0));
    const id = isFirst ? workout : `${workout}~${order}`;
    const fields = fieldOf(entry, "done_at") ? entry.fields : withField(entry, "done_at", new Date().toISOString());
    keep(id, { ...entry, order, state: "waiting", fields });
    return id;
  }

  function say(text, ...ways) {
    const [told, row] = [document.createElement("div"), document.createElement("div")];
    row.className = "row";
    row.append(...ways);
    told.append(text, ...ways.length ? [row] : []);
    note.replaceChildren(told);
    note.hidden = !text;
  }
  function way(label, act) {
    const made = document.createElement(typeof act === "string" ? "a" : "button");
    made.textContent = label;
    made.className = "button is-small";
    made.dataset.kind = "secondary";
    if (typeof act === "string") made.href = act;
    else { made.type = "button"; made.addEventListener("click", act); }
    return made;
  }

  // What became of it: "saved", "waiting" for a network or a sign-in, "changed" by somebody else, or "refused" with the
  // reason.
  const token = () => document.querySelector("meta[name=csrf-token]").content;
  const asSent = (entry) => [...entry.fields, ["sent_at", new Date().toISOString()]]; // what our clock says now
  async function send(entry, isQuiet = false) {
    try {
      keep(entry.id, { ...entry, isTried: true });
      const answer = await fetch(entry.path ?? LOG, {
        method: "POST",
        body: new URLSearchParams([...asSent(entry), ...(isQuiet ? [["quiet", "true"]] : [])]),
        redirect: "manual",
        signal: AbortSignal.timeout(PATIENCE_MS),
        headers: { "Accept": "application/json", "X-CSRF-Token": token() },
      });
      if (answer.type === "opaqueredirect") return ["saved"];
      if (answer.status >= 500 || [401, 403, 408, 429].includes(answer.status)) return ["waiting"];
      const problem = answer.headers.get("Content-Type")?.includes("json") ? await answer.json() : {};
      if (["training.workout_changed", "training.logged_otherwise"].includes(problem.code)) return ["changed"];
      return ["refused", problem.detail ?? word("Something in it is not right.")];
    } catch {
      return ["waiting"];
    }
  }

  async function sendWaiting() {
    const held = new Set(all().filter((one) => ["changed", "refused"].includes(one.state)).map(workoutOf));
    for (const entry of all().filter((one) => one.state === "waiting")) {
      const workout = workoutOf(entry);
      if (held.has(workout)) continue; // what follows builds on it
      const [outcome, words] = await send(entry, true);
      if (outcome !== "saved") held.add(workout);
      if (outcome === "refused") keep(entry.id, { ...entry, state: "refused", words });
      if (outcome === "changed") putTogether(workout);
      if (outcome === "saved") {
        saved(entry);
        await Promise.all(pagesOf(workout).map(fetchPage));
        say(isDeletion(entry) ? word("Your workout is deleted.") : word("Your workout is saved."),
          ...isDeletion(entry) ? [] : [way(word("Have a look"), `/training/workouts/${workout}`)]);
      }
    }
    tell();
  }
  const goOn = (entry) => location.assign(isDeletion(entry) ? "/training" : `/training/workouts/${workoutOf(entry)}`);
  const pagesOf = (workout) => [`${LOG}?workout=${workout}`, `/training/workouts/${workout}`];
  function saved(entry) {
    forget(entry.id);
    keepUsed(workoutOf(entry));
  }
  // All that waits of a workout is one version beside somebody else's: the last one, of what was seen first.
  function putTogether(workout) {
    const [first, ...more] = queued(workout);
    const last = more.at(-1) ?? first;
    const revision = isLog(first) ? null : fieldOf(first, "revision");
    queued(workout).forEach((one) => forget(one.id));
    const fields = revision === null ? last.fields : withField(last, "revision", revision);
    keep(last.id, { ...last, state: "changed", fields });
  }
  // The server shows both, unless they have become the same.
  async function compare(workout) {
    const entry = queued(workout)[0];
    const [outcome] = await send(entry);
    if (outcome === "saved") { saved(entry); goOn(entry); return; }
    if (outcome !== "changed") { say(word("There is no network right now.")); return; }
    const asked = Object.assign(document.createElement("form"), { method: "post", action: entry.path ?? LOG, hidden: true });
    for (const [name, value] of [...asSent(entry), ["csrf_token", token()]]) {
      asked.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    }
    document.body.append(asked);
    asked.submit();
  }
  function takeBack(workout) {
    if (!window.confirm(word("Delete this workout?"))) return;
    const entries = queued(workout);
    if (entries.some((one) => one.isTried)) remove(workout, entries.at(-1).title); // the server may have it
    else forgetAll(workout);
    say("");
    tell();
  }
  function remove(workout, title, revision = nextRevision(workout)) {
    const fields = [["revision", String(revision)]];
    return queue(workout, { path: `/training/workouts/${workout}/delete`, title, fields });
  }

  function tell() {
    const entries = all();
    const changed = entries.find((one) => one.state === "changed");
    const refused = entries.find((one) => one.state === "refused");
    const waiting = entries.filter((one) => one.state === "waiting");
    const workouts = new Set(waiting.map(workoutOf)).size;
    if (changed && document.querySelector("[data-theirs]")?.dataset.theirs === workoutOf(changed)) {
      say(""); // it is what this page is about
    } else if (changed) {
      say(word("{1} was changed meanwhile, on another device or by your coach.", changed.title),
        way(word("Look at both"), () => compare(workoutOf(changed))));
    } else if (refused) {
      const workout = workoutOf(refused);
      say(word("{1} was not accepted: {2}", refused.title, refused.words),
        ...refused.isFree || !isLog(refused) ? [] : [way(word("Open it"), `${LOG}?workout=${workout}`)],
        way(word("Forget it"), () => { forgetAll(workout); say(""); tell(); }));
    } else if (waiting.length) {
      const first = waiting[0];
      const canTakeBack = workouts === 1 && isLog(first) && !waiting.some(isDeletion);
      say(waiting.every(isDeletion) ? word("A workout is deleted as soon as there is a network.")
        : workouts === 1 ? word("A workout is kept on this device and saved as soon as there is a network.")
          : word("{1} workouts are kept on this device and saved as soon as there is a network.", workouts),
      way(word("Try now"), deliver),
      ...canTakeBack ? [way(word("Delete it"), () => takeBack(workoutOf(first)))] : []);
    }
  }
  // One tab at a time; where browsers cannot say whose turn it is, the server takes the second for what it is.
  const deliver = () => navigator.locks ? navigator.locks.request(PREFIX, sendWaiting) : sendWaiting();
  // What was done just now: at once, or after what waits of the same workout.
  async function sendNow(id) {
    const entry = all().find((one) => one.id === id);
    if (queued(workoutOf(entry))[0].id === id) {
      const [outcome, words] = await send(entry);
      if (outcome === "saved") saved(entry);
      if (outcome === "changed") putTogether(workoutOf(entry));
      return [outcome, words];
    }
    await deliver();
    const left = all().find((one) => one.id === id);
    return left ? [left.state, left.words] : ["saved"];
  }

  // Ids that were used: a form that the service worker kept has the same one each time it is opened.
  const USED = `used-${person}`;
  const used = () => JSON.parse(localStorage.getItem(USED) ?? "[]");
  function keepUsed(id) { localStorage.setItem(USED, JSON.stringify([...used(), id].slice(-50))); }

  // The form.
  const NOT_KEPT = ["csrf_token", "action", "find", "searched"];
  const fieldsOf = (of = form) => [...new FormData(of)].filter(([name]) => !NOT_KEPT.includes(name));
  const TYPED = ["weight_kg", "reps", "rpe", "assistance_kg", "distance", "time"];
  const valuesOf = (fields, name) => fields.filter(([one]) => one === name).map(([, value]) => value);
  const nameOf = (block) => ["exercise_id", "superset"].map((name) => block.querySelector(`[name=${name}]`).value).join(" ");
  const namesIn = (fields) => {
    const [ids, letters] = ["exercise_id", "superset"].map((name) => valuesOf(fields, name));
    return ids.map((id, place) => `${id} ${letters[place]}`);
  };
  const rowsOf = (fields, block) => {
    const names = namesIn(fields);
    const typed = TYPED.map((name) => [name, valuesOf(fields, name)]);
    const places = [...names.keys()].filter((place) => names[place] === nameOf(block));
    return places.map((place) => Object.fromEntries(typed.map(([name, values]) => [name, values[place] ?? ""])));
  };
  function hasPlaceFor(entry) {
    const shown = [...form.querySelectorAll("[data-block]")].map(nameOf);
    return namesIn(entry.fields).every((name) => shown.includes(name));
  }
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
    for (const name of ["duration_minutes", "session_rpe", "note"]) form.elements[name].value = fieldOf(entry, name) ?? "";
  }
  // Movements that this page does not show are drawn by the server, from what was typed.
  function drawAgain(entry) {
    const typed = "[data-block], [name=duration_minutes], [name=session_rpe], [name=note]";
    form.querySelectorAll(typed).forEach((part) => part.remove());
    for (const [name, value] of entry.fields) {
      if (["workout_id", "mode", "revision", "title", "scale", "done_at"].includes(name)) continue;
      form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    }
    form.elements.workout_id.value = workoutOf(entry);
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "action", value: "find" }));
    form.submit();
  }

  function begin() {
    const { workout_id: id, mode, revision } = form.elements;
    const bar = form.querySelector(".save-bar");
    const isTyped = Boolean(form.closest("[data-typed]")); // the server drew it from what was typed: that is the newest
    const known = all();
    const draftId = () => mode.value === "edit" ? `${id.value}~draft` : id.value;
    let entry = known.find((one) => one.id === draftId());
    const isFree = mode.value === "log" && (entry?.isFree ?? !new URLSearchParams(location.search).has("workout"));
    if (isFree && !isTyped && (entry?.state === "waiting" || used().includes(id.value))) {
      id.value = crypto.randomUUID();
      entry = undefined;
    }
    const isEmpty = isFree && !form.querySelector("[data-block]");
    const begun = isEmpty ? known.find((one) => one.state === "draft" && one.isFree) : undefined;
    const typed = () => ({ state: "draft", isFree: isFree && mode.value === "log", title: form.elements.title.value, fields: fieldsOf() });
    // What is typed from now on changes what waits.
    function goOnFrom(last) {
      [mode.value, revision.value] = ["edit", String(nextRevision(id.value))];
      if (!isDeletion(last) && hasPlaceFor(last)) { fill(last); return; }
      bar.hidden = true;
      if (!isDeletion(last) && navigator.onLine) drawAgain(last);
    }
    const waits = isFree ? [] : queued(id.value).filter((one) => one.state !== "refused");
    if (isTyped) keep(draftId(), typed());
    else if (waits.length) goOnFrom(waits.at(-1));
    else if (["draft", "refused"].includes(entry?.state)) {
      if (hasPlaceFor(entry)) fill(entry); else if (navigator.onLine) drawAgain(entry);
      if (mode.value === "edit") revision.value = fieldOf(entry, "revision"); // of what was seen when it was typed
    } else if (begun && navigator.onLine) {
      say(word("You had begun a workout."), way(word("Go on with it"), () => drawAgain(begun)),
        way(word("Forget it"), () => { forget(begun.id); say(""); }));
    }
    form.addEventListener("input", () => { bar.hidden = false; keep(draftId(), typed()); });
    form.addEventListener("submit", async (event) => {
      if ((event.submitter?.value ?? "save") !== "save") return;
      event.preventDefault();
      event.stopPropagation(); // here it is not lost without a network
      if (form.dataset.sent) return;
      form.dataset.sent = "true";
      event.submitter?.classList.add("is-busy");
      const draft = typed();
      const draftAt = draftId();
      const sent = queue(id.value, draft, mode.value === "log");
      if (sent !== draftAt) forget(draftAt);
      const [outcome] = await sendNow(sent);
      delete form.dataset.sent;
      event.submitter?.classList.remove("is-busy");
      if (outcome === "saved") location.assign(`/training/workouts/${id.value}`);
      if (outcome === "waiting") { tell(); bar.hidden = true; [mode.value, revision.value] = ["edit", String(nextRevision(id.value))]; }
      if (outcome === "changed") await compare(id.value);
      if (outcome === "refused") { forget(sent); keep(draftAt, draft); form.submit(); } // the server says what is wrong
    });
  }

  // Deleting a workout is asked about here, and not lost without a network.
  document.querySelector("form[data-delete]")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    const { target } = event;
    const { delete: workout, title } = target.dataset;
    if (target.dataset.sent || !window.confirm(target.dataset.confirm)) return;
    target.dataset.sent = "true";
    const [outcome, words] = await sendNow(remove(workout, title, nextRevision(workout) ?? target.elements.revision.value));
    delete target.dataset.sent;
    if (outcome === "saved") {
      for (const href of pagesOf(workout)) if (window.caches) await dropPage(href);
      location.assign("/training");
    } else if (outcome === "changed") await compare(workout);
    else { if (outcome === "waiting") target.hidden = true; else say(words); tell(); }
  });

  // Both versions: mine takes the place of theirs, or what waited here of it is forgotten.
  document.querySelector("form[data-mine]")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    const { target } = event;
    if (target.dataset.sent) return;
    target.dataset.sent = "true";
    const { mine: workout, title } = target.dataset;
    const fields = fieldsOf(target);
    const before = all().filter((one) => workoutOf(one) === workout);
    const id = queue(workout, { path: new URL(target.action).pathname, title, fields }); // of when it was done
    before.forEach((one) => forget(one.id));
    const [outcome, words] = await sendNow(id);
    delete target.dataset.sent;
    if (outcome === "saved") goOn({ id, path: target.action });
    else if (outcome === "changed") await compare(workout);
    else { if (outcome === "refused") say(words); tell(); }
  });
  document.querySelector("[data-theirs]")?.addEventListener("click", (event) => forgetAll(event.target.closest("[data-theirs]").dataset.theirs));

  // A page is there without a network too, though nobody opened it as it is now. One that is gone goes.
  async function fetchPage(href) {
    if (!window.caches) return;
    try {
      const answer = await fetch(href, { headers: { "Accept": "text/html" } });
      const whose = answer.headers.get("X-Plyo-Person");
      if (!whose) return;
      const cache = await caches.open(`person-${whose}`);
      if (answer.ok && !answer.redirected && answer.headers.has("X-Plyo-Offline")) await cache.put(href, answer);
      else await cache.delete(href);
    } catch { /* without a network there is nothing to fetch */ }
  }
  async function dropPage(href) {
    for (const name of await caches.keys()) if (name.startsWith("person-")) await (await caches.open(name)).delete(href);
  }
  // The form of today's workout, to log it, or to change it beside the page of it.
  async function fetchForm() {
    const link = document.querySelector("a[href^='/training/log?workout=']");
    if (!link || !navigator.onLine || !window.caches) return;
    const isLogged = link.closest("[data-logged]");
    if (isLogged) await fetchPage(location.pathname);
    if (isLogged || !await caches.match(link.href)) await fetchPage(link.href);
  }

  // Nobody follows a plan while a health answer waits: what the service worker kept of it goes, with the first page that
  // says so. This page is no such one.
  async function forgetPlan() {
    for (const name of (await caches.keys()).filter((one) => one.startsWith("person-"))) {
      const cache = await caches.open(name);
      for (const kept of await cache.keys()) {
        const { href, pathname } = new URL(kept.url);
        if (["/home", "/training", LOG].includes(pathname) && href !== location.href) await cache.delete(kept);
      }
    }
  }

  // Who signs out leaves nothing behind but what is still to be saved.
  document.addEventListener("submit", (event) => {
    if (!event.target.getAttribute("action")?.endsWith("/auth/logout")) return;
    all().filter((one) => !["waiting", "changed"].includes(one.state)).forEach((one) => forget(one.id));
    if (!all().length) localStorage.removeItem(USED);
  });

  if (form) begin();
  window.addEventListener("online", deliver);
  deliver();
  if (document.querySelector("[data-on-hold]") && window.caches && navigator.onLine) forgetPlan();
  fetchForm();
})();
