// Offline: the app's own files first from the cache, pages first from the network.
// Pages of a signed-in person are kept for that person only (header X-Plyo-Person) and deleted when they sign out,
// when their session ends, or when somebody else signs in. Consoles, APIs and sign-in are never touched.
"use strict";

const SHELL = "shell-__VERSION__";
const PERSON = "person-";
const PUBLIC = "pages-public";
const FILES = __FILES__;
const NOT_OURS = /^\/(api|oidc|auth|coach|admin|dagster|mailbox|webhooks|gateway|login|signup|verify-email|reset-password|live|ready|\.well-known|bookings\/[\w-]+\/calendar|unsubscribe|messages\/files)(\/|$)/;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(SHELL).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) if (name.startsWith("shell-") && name !== SHELL) await caches.delete(name);
    await self.clients.claim();
  })());
});

async function forgetPeople(except) {
  for (const name of await caches.keys()) if (name.startsWith(PERSON) && name !== except) await caches.delete(name);
}

async function page(request) {
  try {
    const answer = await fetch(request);
    const person = answer.headers.get("X-Plyo-Person");
    const keep = person ? PERSON + person : PUBLIC;
    await forgetPeople(keep);
    if (answer.ok && !answer.redirected && answer.headers.has("X-Plyo-Offline")) {
      await (await caches.open(keep)).put(request, answer.clone());
    }
    return answer;
  } catch {
    return (await caches.match(request)) ?? (await caches.match("/offline"));
  }
}

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (url.origin !== self.location.origin) return;
  if (url.pathname === "/auth/logout") { event.waitUntil(forgetPeople(null)); return; }
  if (event.request.method !== "GET" || NOT_OURS.test(url.pathname)) return;
  if (url.pathname.startsWith("/static/")) {
    event.respondWith(caches.match(event.request).then((kept) => kept ?? fetch(event.request)));
  } else if (event.request.mode === "navigate") {
    event.respondWith(page(event.request));
  }
});

// A push says what happened and where it leads. A copy of it has the same tag: it takes the first one's place, silently.
// One that was put away meanwhile is shown once more: browsers let no push pass unshown.
self.addEventListener("push", (event) => {
  let told = {};
  try { told = event.data?.json() ?? {}; } catch { /* not from us: shown as nothing in particular */ }
  self.navigator.setAppBadge?.().catch(() => {}); // that there is something; the next page that is opened says how much
  event.waitUntil(self.registration.showNotification(told.title || "Plyo", {
    body: told.body || "", tag: told.tag || "plyo", lang: told.lang || "en", renotify: false,
    icon: "/static/icon-192.png", badge: "/static/icon-192.png", data: { url: told.url || "/home" },
  }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const target = new URL(event.notification.data?.url ?? "/home", self.location.origin);
  if (target.origin !== self.location.origin) return;
  event.waitUntil((async () => {
    for (const open of await self.clients.matchAll({ type: "window" })) {
      if (new URL(open.url).pathname === target.pathname) return open.focus();
    }
    return self.clients.openWindow(target.href);
  })());
});
