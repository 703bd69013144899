// console.js is what only the dispatcher's pages need; all of them work without it. It
// keeps the chosen row marked and the filter set when the stream brings a new list, holds
// the list still while somebody is in it, tells the server again and again that the sound
// runs and that an incident is in hand, and fills the form of a hand-over from what was
// written about the place.

const TELL = 20000; // ms between two tellings; a claim lasts 90 s
const REST = 4000; // ms after the last movement over the list until it may move again
const FIND = 250; // ms of rest after typing before a place is looked up
const END = 40; // px from the end of the thread that still count as its end

const body = document.body;
const panes = document.querySelector("[data-console]");
const clock = new Intl.DateTimeFormat("cs", { timeZone: "Europe/Prague", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const shown = (e) => e && e.getClientRects().length > 0;

for (const b of document.querySelectorAll("[data-print]")) b.addEventListener("click", () => window.print());

/* What the stream draws for all is marked for this page. */

const list = () => document.getElementById("queue") ?? document.getElementById("queue-held");
const chosen = () => document.getElementById("incident")?.dataset.incident;

function dress() {
  const row = chosen() && document.getElementById(`row-${chosen()}`);
  if (row && !row.classList.contains("row-selected")) {
    row.classList.add("row-selected");
    row.querySelector("a").setAttribute("aria-current", "true");
  }
  const me = document.querySelector("[data-me]")?.dataset.me;
  for (const e of document.querySelectorAll("[data-only]")) e.hidden = e.dataset.only !== me;
  for (const e of document.querySelectorAll("[data-editor]")) e.hidden = e.dataset.editor === me; // he knows
}

const filter = panes?.querySelector("#q");

function sift() {
  const words = filter.value.trim().toLowerCase();
  for (const row of list().querySelectorAll("[data-queue] > li")) row.hidden = words !== "" && !row.textContent.toLowerCase().includes(words);
}

if (filter) {
  filter.addEventListener("input", sift);
  filter.form.addEventListener("submit", (e) => {
    e.preventDefault(); // the list is here already
    list().querySelector("[data-queue] > li:not([hidden]) > a")?.focus();
  });
}

/* A row never moves under the pointer or the focus. While the list is held, rows still
   change where they stand; new ones wait, and what rings stands in the strip. */

let moved = -REST;
let missed = false;
const news = document.getElementById("queue-new");

function inUse() {
  const l = list();
  return l.contains(document.activeElement) || performance.now() - moved < REST;
}

async function release() {
  const l = document.getElementById("queue-held");
  if (!l) return;
  l.id = "queue";
  news.hidden = true;
  if (!missed) return;
  missed = false;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("queue");
    if (!fresh || !document.getElementById("queue")) return;
    const top = l.scrollTop;
    document.getElementById("queue").replaceWith(document.adoptNode(fresh));
    fresh.scrollTop = top;
    dress();
    if (filter?.value) sift();
  } catch {
    missed = true; // the stream says that the connection is lost
  }
}

function hold() {
  if (document.getElementById("queue") && inUse()) list().id = "queue-held";
  else if (document.getElementById("queue-held") && !inUse()) release();
}

if (panes && list()) {
  const pane = panes.querySelector(".pane-queue");
  pane.addEventListener("pointermove", (e) => { if (list().contains(e.target)) { moved = performance.now(); hold(); } });
  pane.addEventListener("pointerleave", () => { moved = -REST; hold(); });
  pane.addEventListener("focusin", hold);
  pane.addEventListener("focusout", () => setTimeout(hold));
  setInterval(hold, REST / 4);
}

/* Messages: the newest is in view unless somebody reads older ones. */

let atEnd = true;
const thread = () => document.getElementById("messages");
const toEnd = () => { const t = thread(); if (t && atEnd) t.scrollTop = t.scrollHeight; };
document.addEventListener("scroll", (e) => { if (e.target === thread()) atEnd = e.target.scrollHeight - e.target.scrollTop - e.target.clientHeight < END; }, true);

document.addEventListener("live:region", (e) => {
  const { id } = e.detail;
  if (id === "queue" && filter?.value) sift();
  if (id === "messages") toEnd();
  if (document.getElementById("queue-held")) {
    missed = true;
    const waiting = Number(document.getElementById("queue-count").dataset.open) - list().querySelectorAll("[data-queue] > li").length;
    news.hidden = waiting <= 0;
    news.textContent = news.dataset.text.replace("{n}", waiting);
  }
  dress();
});

/* A page marked as an exercise says so only while nothing real is open or asks for a
   person. It is not loaded anew for that: what is written would be lost, and a page that
   nobody has pressed anything on may not sound. */

const { kind } = body.dataset;
const word = kind && `${document.title.replace(/^\(\d+\) /, "").split(" · ")[0]} · `;

document.addEventListener("live:alarm", (e) => {
  if (!kind) return;
  const { real } = e.detail;
  if (real) {
    delete body.dataset.kind;
    document.title = document.title.replace(word, "");
  } else {
    body.dataset.kind = kind;
  }
  for (const tape of document.querySelectorAll(".top .tape")) tape.hidden = real;
});

/* "Send a message" leads to the field beside the thread where there is one. */

addEventListener("click", (e) => {
  const field = document.getElementById("text");
  if (!e.target.closest?.("#do-message") || !shown(field) || e.ctrlKey || e.metaKey || e.shiftKey) return;
  e.preventDefault();
  field.focus();
});

/* Again and again. */

const post = (url, data) => fetch(url, { method: "POST", body: new URLSearchParams(data), redirect: "manual", keepalive: true }).catch(() => {});

function tell() {
  const state = document.querySelector("[data-sound-state]")?.dataset.soundState;
  const strip = document.getElementById("sound-strip");
  if (body.dataset.sound && body.dataset.link === "live" && state) post(body.dataset.sound, { state: state === "on" && strip?.hidden ? "running" : "blocked" });
  const incident = document.getElementById("incident");
  if (incident?.dataset.claim && incident.dataset.claim === panes?.dataset.me) post(`/console/incidents/${encodeURIComponent(incident.dataset.incident)}/claim`, {});
}
setInterval(tell, TELL);

/* The form of a hand-over. */

const form = document.getElementById("handover");

// Another place takes nothing over from the one before it; the server does the same.
const OF_PLACE = ["lat", "lon", "street", "house", "postal", "country"];

function fill(query) {
  const reading = new URLSearchParams(query);
  const held = (name) => form.elements[name].value.trim().toLowerCase();
  const set = (name, value) => {
    const f = form.elements[name];
    if (!f) return;
    f.value = value;
    f.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const place = reading.get("place")?.toLowerCase();
  if (place && (held("place") || held("lat")) && place !== held("place")) for (const name of OF_PLACE) set(name, "");
  for (const [name, value] of reading) set(name, value);
}

async function part(query, into) {
  try {
    const answer = await fetch(`/console/handover/find?${new URLSearchParams(query)}`, { credentials: "same-origin" });
    if (!answer.ok) return;
    into.innerHTML = await answer.text();
  } catch {
    // the fields below take what is written
  }
}

if (form) {
  const where = form.elements.where;
  const found = document.getElementById("found");
  const said = document.getElementById("said");
  // Readings of what has been written over since are of another place.
  const current = (reading) => !where.value.trim() || new URLSearchParams(reading.value).get("of") === where.value.trim();
  let timer;
  where.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => (where.value.trim() ? part({ where: where.value }, found) : found.replaceChildren()), FIND);
  });
  where.addEventListener("keydown", (e) => {
    const first = [...found.querySelectorAll("input")].find(current);
    if ((e.key !== "Enter" && e.key !== "ArrowDown") || e.ctrlKey || !first) return;
    e.preventDefault(); // chooses, sends nothing
    first.focus();
    if (e.key === "Enter") { first.checked = true; first.dispatchEvent(new Event("change", { bubbles: true })); }
  });
  found.addEventListener("change", (e) => {
    if (e.target.name !== "choice" || !current(e.target)) return;
    fill(e.target.value);
    where.value = "";
    e.target.checked = false; // the fields hold it now
    const map = form.querySelector("tm-map");
    const [lat, lon] = [Number(form.elements.lat.value), Number(form.elements.lon.value)];
    if (!form.elements.lat.value) map?.clear?.();
    else if (map?.view) map.choose(lat, lon);
  });
  let asked;
  for (const name of ["lat", "lon"]) form.elements[name].addEventListener("input", () => {
    clearTimeout(asked);
    asked = setTimeout(() => {
      if (form.elements.lat.value && form.elements.lon.value) part({ lat: form.elements.lat.value, lon: form.elements.lon.value }, said);
      else said.replaceChildren();
    }, FIND);
  });
  form.addEventListener("tm-map-pick", (e) => {
    if (e.detail.where?.confidence === "sure") form.elements.country.value = e.detail.where.country;
  });
  // What a patient's sorts need is folded away for the others.
  for (const app of form.elements.app) app.addEventListener("change", () => {
    if (app.value.includes("patient")) document.getElementById("more").open = true;
  });
  const state = document.getElementById("draft-state");
  form.addEventListener("draft", (e) => {
    state.textContent = e.detail === "kept" ? state.dataset.kept.replace("{time}", clock.format(Date.now())) : state.dataset.unkept;
  });
}

dress();
toEnd();
