// identity.js adds to the pages of people and rights what only scripts can: showing a
// password, copying a link, opening the print dialogue. The pages work without.

for (const box of document.querySelectorAll("[data-secret]")) {
  const input = box.querySelector("input");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "secret-show";
  button.setAttribute("aria-controls", input.id);
  const say = () => { button.textContent = input.type === "password" ? box.dataset.show : box.dataset.hide; };
  button.addEventListener("click", () => {
    input.type = input.type === "password" ? "text" : "password";
    say();
    input.focus();
  });
  say();
  input.after(button);
  // Sent as a password, so that browsers neither keep nor offer it as plain text.
  input.form?.addEventListener("submit", () => { input.type = "password"; });
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  if (!navigator.clipboard) continue; // only over TLS
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(field.value);
    button.querySelector("span").textContent = button.dataset.copied;
  });
}

// The number of waiting alarms at a desk at which nobody is signed in. Only its own
// part of the page is taken in, so that a half-typed password stays.
const EVERY = 5000; // ms between two questions
const DEAD = 15000; // ms without an answer: the number may be wrong
const waiting = document.getElementById("waiting");

if (waiting) {
  const part = (of, name) => of.querySelector(`[data-part=${name}]`);
  let heard = Date.now();
  setInterval(async () => {
    try {
      const answer = await fetch(waiting.dataset.url, { headers: { accept: "text/html" }, cache: "no-store" });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("waiting");
      if (!fresh) throw new Error("no number");
      heard = Date.now();
      waiting.dataset.at = fresh.dataset.at;
      for (const name of ["number", "at"]) {
        const [old, next] = [part(waiting, name), part(fresh, name)];
        if (!old.isEqualNode(next)) old.replaceChildren(...next.childNodes);
      }
    } catch {
      if (Date.now() - heard < DEAD) return;
      const words = waiting.dataset.dead.replace("{time}", waiting.dataset.at);
      if (part(waiting, "number").textContent !== words) part(waiting, "number").textContent = words;
      part(waiting, "at").textContent = "";
    }
  }, EVERY);
}
