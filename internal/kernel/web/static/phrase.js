// phrase.js opens the phrasebook above the field for a message instead of on a page of
// its own: each step is that page's #phrase-box. The list of sentences is searched by
// what is typed in it, word by word and without accents.

const box = document.getElementById("phrases");
const form = document.getElementById("message-form");
const PAUSE = 1500; // ms after which typing begins a new word

const fold = (s) => s.normalize("NFD").replace(/\p{M}/gu, "").replaceAll("ł", "l").replaceAll("ß", "ss").toLowerCase();

function close() {
  box.replaceChildren();
  box.hidden = true;
  form.hidden = false;
  form.querySelector("textarea").focus();
}

// show takes an answer of the server; false: it is none of the picker's pages.
async function show(answer) {
  const page = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("phrase-box");
  if (!page) return false;
  box.replaceChildren(...document.adoptNode(page).childNodes);
  box.hidden = false;
  form.hidden = true;
  const wrong = box.querySelector("[data-focus]");
  (wrong ?? box.querySelector("#phrase, #phrase-slots input:not([type=hidden]), #phrase-send"))?.focus();
  return true;
}

async function step(url, options) {
  try {
    const answer = await fetch(url, { credentials: "same-origin", ...options });
    if (options?.method && answer.redirected) return close(); // sent; the stream brings it
    if (!(await show(answer))) location.assign(url);
  } catch {
    location.assign(url); // that page says what is wrong
  }
}

let typed = "";
let at = -PAUSE;

function search(list, letter) {
  if (performance.now() - at > PAUSE) typed = "";
  at = performance.now();
  typed += letter;
  const words = fold(typed).split(/\s+/).filter(Boolean);
  const fits = (o) => words.every((w) => fold(o.text).split(/[^\p{L}\p{N}]+/u).some((t) => t.startsWith(w)));
  const found = [...list.options].find(fits);
  if (found) found.selected = true;
  box.querySelector("#phrase-typed").textContent = found ? `${typed} → ${found.text}` : `${typed} → –`;
}

if (box && form) {
  addEventListener("click", (e) => {
    const link = e.target.closest?.("#do-phrase, #phrase-open, #phrase-other, #phrase-close");
    const open = form.getClientRects().length > 0 || !box.hidden;
    if (!link || !open || e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    if (link.id === "phrase-close") close();
    else step(link.href);
  });
  box.addEventListener("submit", (e) => {
    e.preventDefault();
    const data = new URLSearchParams(new FormData(e.target, e.submitter));
    if (e.target.method === "get") step(`${e.target.action}?${data}`);
    else if (!box.dataset.busy) {
      box.dataset.busy = "yes";
      step(e.target.action, { method: "POST", body: data }).finally(() => delete box.dataset.busy);
    }
  });
  box.addEventListener("dblclick", (e) => { if (e.target.closest("#phrase")) box.querySelector("#phrase-choice").requestSubmit(); });
  box.addEventListener("keydown", (e) => {
    if (e.key === "Escape") {
      e.stopPropagation();
      close();
    }
    if (e.target.id !== "phrase" || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === "Enter") {
      e.preventDefault();
      if (e.target.value) box.querySelector("#phrase-choice").requestSubmit();
    } else if (e.key.length === 1 && (e.key !== " " || typed)) {
      e.preventDefault(); // the browser's own search knows beginnings of lines only
      search(e.target, e.key);
    } else if (e.key === "Backspace") {
      e.preventDefault();
      const rest = typed.slice(0, -1);
      typed = "";
      at = performance.now();
      search(e.target, rest);
    }
  });
}
