// Keys for what is done all day, for who has a keyboard. Pages say what there is: `data-key="n"` on a link, a button or
// a field, rel="prev" and rel="next" on days; the main menu is 1 to 9. `?` shows the keys of the page. The admin console's
// widgets draw themselves in shadows: what they hold is looked for there too.
"use strict";

(() => {
  const words = (part) => (part.dataset.keyName || part.ariaLabel || part.labels?.[0]?.textContent || part.textContent).trim().replace(/\s+/g, " ");
  const isShown = (part) => part.getClientRects().length > 0;
  function* all(root = document) {
    for (const part of root.querySelectorAll("*")) {
      yield part;
      if (part.shadowRoot) yield* all(part.shadowRoot);
    }
  }
  const one = (selector) => [...document.querySelectorAll(selector)].find(isShown);

  // What each key does here. The first of two that want the same key has it.
  function known() {
    const keys = new Map();
    const add = (key, part, told) => { if (part && !keys.has(key)) keys.set(key, { part, told: told ?? words(part) }); };
    add("/", one("[data-key='/'], main input[type=search]"));
    [...all()].forEach((part) => { if (part.dataset?.key && isShown(part)) add(part.dataset.key, part); });
    const [earlier, later] = [one("main a[rel=prev]"), one("main a[rel=next]")];
    add("k", earlier);
    add("j", later);
    const menu = document.querySelectorAll("nav[aria-label=Main] a");
    [...menu].filter(isShown).slice(0, 9).forEach((link, place) => add(String(place + 1), link, link.firstChild.nextSibling?.textContent.trim()));
    return keys;
  }

  function help() {
    const shown = document.querySelector("dialog.keys");
    if (shown) { shown.close(); return; }
    const sheet = document.createElement("dialog");
    sheet.className = "keys";
    sheet.setAttribute("aria-labelledby", "keys-title");
    const title = Object.assign(document.createElement("h2"), { id: "keys-title", textContent: word("Keys of this page") });
    const list = document.createElement("dl");
    for (const [key, told] of [...[...known()].map(([name, { told: what }]) => [name, what]), ["Esc", word("Close what is open")], ["?", word("Show or hide these keys")]]) {
      const name = document.createElement("dt");
      name.append(Object.assign(document.createElement("kbd"), { textContent: key }));
      list.append(name, Object.assign(document.createElement("dd"), { textContent: told }));
    }
    const close = Object.assign(document.createElement("button"), { className: "button is-small", textContent: word("Close") });
    close.dataset.kind = "secondary";
    close.addEventListener("click", () => sheet.close());
    sheet.addEventListener("close", () => sheet.remove());
    sheet.addEventListener("click", (event) => { if (event.target === sheet) sheet.close(); });
    sheet.append(title, list, close);
    document.body.append(sheet);
    sheet.showModal();
  }

  document.addEventListener("keydown", (event) => {
    const [first] = event.composedPath(); // the target's own: seen from outside, it is what casts the shadow
    const at = first instanceof Element ? first : document.body;
    const isTyping = at.matches("input:not([type=radio], [type=checkbox], [type=submit], [type=button]), textarea, select, [contenteditable]");
    if (event.key === "Escape") {
      document.querySelectorAll("details.menu[open]").forEach((menu) => { menu.open = false; menu.querySelector("summary").focus(); });
      if (isTyping && at.matches("[data-key='/'], [type=search]")) at.blur();
      return;
    }
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
    if (event.key === "?") { event.preventDefault(); help(); return; }
    if (document.querySelector("dialog[open]")) return;
    const found = known().get(event.key);
    if (!found) return;
    event.preventDefault();
    if (found.part.matches("input, textarea, select")) { found.part.focus(); found.part.select?.(); } else found.part.click();
  });
})();
