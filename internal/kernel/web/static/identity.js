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
