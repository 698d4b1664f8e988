"use strict";
// What the page does with JavaScript: it copies texts, and reads its live parts again when
// something has happened. Without JavaScript everything else works.
(() => {
  const status = document.createElement("p");
  status.className = "hidden";
  status.setAttribute("role", "status");
  document.body.append(status);

  const say = (text) => { status.textContent = ""; setTimeout(() => { status.textContent = text; }, 50); };

  // A button with data-copy copies the text of the element that it names.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    event.preventDefault();
    const text = document.getElementById(button.dataset.copy).textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(document.getElementById(button.dataset.copy));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      if (!document.execCommand("copy")) return;
    }
    const copied = button.dataset.copied;
    say(copied);
    button.textContent = copied;
    // What a screen reader calls it must have in it what is seen.
    const label = button.getAttribute("aria-label");
    if (label && !label.startsWith(copied)) button.setAttribute("aria-label", copied + ": " + label);
  });
  for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = false;

  // Elements with data-live are read again, unless somebody is in one of their forms.
  const refresh = async () => {
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (!answer.ok || answer.redirected) { location.reload(); return; }
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of document.querySelectorAll("[data-live][id]")) {
      const now = fresh.getElementById(old.id);
      if (!now || old.contains(document.activeElement) || old.innerHTML === now.innerHTML) continue;
      old.replaceWith(document.adoptNode(now));
      if (now.dataset.live) say(now.dataset.live);
    }
  };
  const events = document.body.dataset.events;
  if (events) {
    const source = new EventSource(events);
    source.addEventListener("changed", () => { refresh().catch(() => {}); });
  }
})();
