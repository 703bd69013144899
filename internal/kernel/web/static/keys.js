// keys.js gives buttons and links the shortcut in their data-key ("z", "f9",
// "ctrl+enter", "?"), lists them under "?" and leads through queues with J and K. Single
// letters work outside fields only and can be switched off (body[data-single-keys=off]).
// It also closes menus with Esc or a press beside them.

const help = document.getElementById("keys");
const singles = document.body.dataset.singleKeys !== "off";

const inField = (e) => e.target.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
const seen = (e) => e.getClientRects().length > 0 && !e.disabled;

function pressed(e) {
  const key = e.key.toLowerCase();
  const named = key.length > 1;
  // Shift is part of signs such as "?" and counts only beside named keys.
  return [e.ctrlKey || e.metaKey ? "ctrl" : "", e.altKey ? "alt" : "", named && e.shiftKey ? "shift" : "", key].filter(Boolean).join("+");
}

function list() {
  const box = help.querySelector("[data-list]");
  const rows = [...document.querySelectorAll("[data-key]")].filter(seen).map((e) => {
    const row = document.createElement("div");
    const key = document.createElement("dt");
    const what = document.createElement("dd");
    const hint = e.querySelector("kbd");
    key.append(hint ? hint.cloneNode(true) : e.dataset.key.toUpperCase());
    const copy = e.cloneNode(true);
    for (const k of copy.querySelectorAll("kbd")) k.remove();
    what.textContent = e.dataset.keyText ?? copy.textContent.trim();
    row.append(key, what);
    return row;
  });
  box.replaceChildren(...rows);
}

function row(step) {
  const links = [...document.querySelectorAll("[data-queue] > li > a")].filter(seen);
  if (links.length === 0) return false;
  const at = links.indexOf(document.activeElement);
  const from = at < 0 ? links.findIndex((l) => l.getAttribute("aria-current")) : at;
  links[Math.min(Math.max(from + step, 0), links.length - 1)].focus();
  return true;
}

addEventListener("keydown", (e) => {
  if (e.defaultPrevented || e.repeat || e.isComposing) return;
  const key = pressed(e);
  const single = key.length === 1;
  if (key === "escape") closeMenus(null);
  if (inField(e) && (single || key.length < 2)) return;
  if (document.querySelector("dialog[open]")) return;
  if (single && !singles) return;
  if (key === "?" && help) {
    list();
    help.showModal();
    e.preventDefault();
    return;
  }
  if ((key === "j" && row(1)) || (key === "k" && row(-1))) {
    e.preventDefault();
    return;
  }
  if (key === "ctrl+z" && inField(e)) return; // undoes the typing, not the act
  const target = [...document.querySelectorAll("[data-key]")].find((b) => b.dataset.key === key && seen(b));
  if (target) {
    e.preventDefault();
    target.focus();
    target.click();
  }
});

function closeMenus(except) {
  for (const m of document.querySelectorAll("details.menu[open]")) {
    if (m === except) continue;
    const back = m.contains(document.activeElement);
    m.open = false;
    if (back) m.querySelector("summary").focus();
  }
}

addEventListener("pointerdown", (e) => closeMenus(e.target.closest?.("details.menu")));
addEventListener("focusin", (e) => { const m = e.target.closest?.("details.menu"); if (!m) closeMenus(null); });
