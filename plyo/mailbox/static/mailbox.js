// Times in the reader's zone, and new mails without a reload. The page works without this file.
"use strict";

document.querySelectorAll("time").forEach((time) => {
  const at = new Date(time.dateTime);
  const isToday = at.toDateString() === new Date().toDateString();
  if ("full" in time.dataset) time.textContent = at.toLocaleString([], { dateStyle: "long", timeStyle: "short" });
  else time.textContent = at.toLocaleString([], isToday ? { timeStyle: "short" } : { dateStyle: "medium" });
});

const list = document.querySelector("nav[data-newest]");
setInterval(async () => {
  if (document.hidden) return;
  const to = new URLSearchParams(location.search).get("to");
  const answer = await fetch("/mailbox/api/messages?limit=1" + (to ? "&to=" + encodeURIComponent(to) : "")).catch(() => null);
  if (!answer?.ok) return;
  const newest = (await answer.json()).items[0]?.id ?? "";
  if (newest !== list.dataset.newest && document.activeElement?.tagName !== "INPUT") location.reload();
}, 2000);
