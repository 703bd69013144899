// form.js makes forms kinder; all of them work without it. It sends a form once however
// often the button is pressed, keeps drafts with the server (form[data-draft=url]), leads
// the focus to the error summary, keeps what was typed when the language is changed, and
// hides undo bars when their time is over.

const DRAFT = 1500; // ms of rest after typing before a draft is sent
const KEPT = "kept-form"; // of sessionStorage
const RETRY = 10000; // ms until a form that got no answer may be sent again

/* Once */

addEventListener("submit", (e) => {
  const form = e.target;
  if (e.defaultPrevented || form.method === "dialog") return;
  if (form.dataset.sent) {
    e.preventDefault();
    return;
  }
  if (form.method === "get") return;
  form.dataset.sent = "yes";
  e.submitter?.setAttribute("aria-busy", "true"); // not disabled: it keeps focus, name and value
  setTimeout(() => free(form), RETRY);
});

function free(form) {
  delete form.dataset.sent;
  for (const b of form.querySelectorAll("[aria-busy]:not([data-busy])")) b.removeAttribute("aria-busy");
}

addEventListener("pageshow", () => { for (const f of document.forms) free(f); });

/* Drafts: POSTed as the form would be; 2xx means kept. */

for (const form of document.querySelectorAll("form[data-draft]")) {
  let timer;
  const send = async () => {
    try {
      const answer = await fetch(form.dataset.draft, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
      form.dataset.draftState = answer.ok || answer.type === "opaqueredirect" ? "kept" : "unkept";
    } catch {
      form.dataset.draftState = "unkept";
    }
    form.dispatchEvent(new CustomEvent("draft", { bubbles: true, detail: form.dataset.draftState }));
  };
  const later = () => {
    form.dataset.draftState = "changed";
    clearTimeout(timer);
    timer = setTimeout(send, DRAFT);
  };
  form.addEventListener("input", later);
  form.addEventListener("change", later);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden || form.dataset.draftState !== "changed" || form.dataset.sent) return;
    clearTimeout(timer);
    navigator.sendBeacon(form.dataset.draft, new URLSearchParams(new FormData(form)));
  });
}

/* The language switch keeps what was typed. Never passwords, codes or files. */

const secret = (f) => f.type === "password" || f.type === "file" || f.type === "hidden" || /one-time-code|password/.test(f.autocomplete);

function keep() {
  const values = [...document.querySelectorAll("main input, main select, main textarea")]
    .filter((f) => f.id && !secret(f))
    .map((f) => [f.id, f.type === "checkbox" || f.type === "radio" ? f.checked : f.value]);
  sessionStorage.setItem(KEPT, JSON.stringify([location.pathname, values]));
}

addEventListener("click", (e) => { if (e.target.closest?.("a[data-keep]")) keep(); });
addEventListener("submit", (e) => { if (e.target.matches("[data-keep]")) keep(); });

const kept = sessionStorage.getItem(KEPT);
if (kept) {
  sessionStorage.removeItem(KEPT);
  const [path, values] = JSON.parse(kept);
  if (path === location.pathname) {
    for (const [id, value] of values) {
      const f = document.getElementById(id);
      if (!f) continue;
      if (typeof value === "boolean") f.checked = value;
      else f.value = value;
    }
  }
}

/* The error summary first. */

document.querySelector("[data-focus]")?.focus();

/* Undo bars: seconds from when they are first seen, whatever this machine's clock says. */

const ends = new WeakMap();

function hideUndo() {
  for (const bar of document.querySelectorAll("[data-seconds]:not([hidden])")) {
    if (!ends.has(bar)) ends.set(bar, performance.now() + Number(bar.dataset.seconds) * 1000);
    if (performance.now() >= ends.get(bar) && !bar.contains(document.activeElement)) bar.hidden = true;
  }
}
hideUndo();
setInterval(hideUndo, 1000);
