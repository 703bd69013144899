// live.js keeps a page alive: it reads the event stream named by body[data-stream],
// puts new regions in, ticks ages and clock by the server's time, and says when the
// stream is cut. It draws nothing of its own and makes no sound: others listen to the
// events "live:alarm", "live:region" and "live:link" on the document.

const LOST = 6000; // ms without a beat: three are missing, the reader is told
const DEAD = 15000; // ms without a beat: nothing on the page may look alive any more
const RETRY = 2000; // ms until a refused stream is asked for again
const AGAIN = 5000; // ms between attempts while nothing is heard
const SAY = 5000; // ms between two announcements
const TICK = 1000; // ms between two strokes of the clock
const WATCH = 250; // ms between two looks at the link: "lost" is said at 6 s, not at 7

const body = document.body;
const zone = "Europe/Prague"; // the same time in all three countries
const clockText = new Intl.DateTimeFormat("cs", { timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });

let offset = Number(body.dataset.now) - Date.now(); // server minus this machine
let heard = performance.now(); // when the last sign of life came; not touched by clock changes
let heardAt = Number(body.dataset.now); // the same in server time, to be shown
let lastID = "";
let stream;
let reopening;

/** The server's time in ms, whatever this machine's clock says. */
export function serverNow() { return Date.now() + offset; }

function alive(ms) {
  if (Number.isFinite(ms)) {
    offset = ms - Date.now();
    heardAt = ms;
  } else {
    heardAt = serverNow();
  }
  heard = performance.now();
  link("live");
}

function open() {
  clearTimeout(reopening);
  if (stream) stream.close();
  const url = new URL(body.dataset.stream, location.href);
  url.searchParams.set("lang", document.documentElement.lang); // the page's, which the account's need not be
  // A new EventSource does not send Last-Event-ID; the server reads either.
  if (lastID) url.searchParams.set("last-event-id", lastID);
  stream = new EventSource(url);
  stream.addEventListener("beat", (e) => { note(e); alive(Number(e.data)); });
  stream.addEventListener("region", (e) => { note(e); alive(); region(JSON.parse(e.data)); });
  stream.addEventListener("alarm", (e) => { note(e); alive(); alarm(JSON.parse(e.data)); });
  // The browser tries again by itself unless the server refused.
  stream.onerror = () => { if (stream.readyState === EventSource.CLOSED) again(); };
}

function note(e) { if (e.lastEventId) lastID = e.lastEventId; }

function again() {
  stream.close();
  clearTimeout(reopening);
  reopening = setTimeout(open, RETRY);
}

/* Regions. What has the focus keeps it, what was typed stays, what was scrolled stays. */

function region({ id, html }) {
  const old = document.getElementById(id);
  if (!old) return;
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  const next = fresh.content.firstElementChild;
  if (!next || next.isEqualNode(old)) return;

  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const scrolled = [old, ...old.querySelectorAll("[id]")].filter((e) => e.id && (e.scrollTop || e.scrollLeft)).map((e) => [e.id, e.scrollTop, e.scrollLeft]);
  const opened = [...old.querySelectorAll("details[id][open]")].map((e) => e.id);
  const typed = focused && "value" in focused && focused.id && focused.type !== "checkbox" && focused.type !== "radio" ? focused : null;

  old.replaceWith(next);
  for (const one of opened) document.getElementById(one)?.setAttribute("open", "");
  for (const [one, top, left] of scrolled) {
    const e = document.getElementById(one);
    if (e) { e.scrollTop = top; e.scrollLeft = left; }
  }
  if (focused?.id) {
    const heir = document.getElementById(focused.id);
    if (typed && heir && "value" in heir) {
      heir.value = typed.value;
      if (typed.selectionStart != null) heir.setSelectionRange?.(typed.selectionStart, typed.selectionEnd);
    }
    heir?.focus({ preventScroll: true });
  }
  tick();
  document.dispatchEvent(new CustomEvent("live:region", { detail: { id } }));
}

/* Alarms: title, icon and announcement; the sound is sound.js. */

const plainTitle = document.title.replace(/^\(\d+\) /, "");
const icons = { calm: document.querySelector('link[rel="icon"]'), alarm: document.querySelector("[data-icon-alarm]") };
const calmIcon = icons.calm?.getAttribute("href");

function alarm(a) {
  document.title = a.count > 0 ? `(${a.count}) ${plainTitle}` : plainTitle;
  icons.calm?.setAttribute("href", a.class ? icons.alarm.getAttribute("href") : calmIcon);
  body.dataset.alarm = a.class;
  if (a.count > 0) say(a.class === "A" ? "now" : "politely", a.count);
  document.dispatchEvent(new CustomEvent("live:alarm", { detail: a }));
}

const polite = document.getElementById("say-politely");
const assertive = document.getElementById("say-now");
let saidAt = -SAY;
let pending;
let saidCount = 0;

// say sums up: of what comes within 5 s only the last number is read out.
function say(how, count) {
  clearTimeout(pending);
  const wait = saidAt + SAY - performance.now();
  if (wait > 0) {
    pending = setTimeout(() => say(how, count), wait);
    return;
  }
  if (count === saidCount) return;
  saidAt = performance.now();
  saidCount = count;
  (how === "now" ? assertive : polite).textContent = polite.dataset.text.replace("{n}", count);
}

/* Link and clock. */

let tried;
const strip = document.getElementById("link-strip");

function link(state) {
  if (body.dataset.link === state) return;
  body.dataset.link = state;
  strip.hidden = state === "live";
  if (state !== "live") strip.querySelector("[data-text]").textContent = strip.dataset[state].replace("{time}", clockText.format(heardAt));
  document.dispatchEvent(new CustomEvent("live:link", { detail: state }));
}

// age writes the two largest units, as the server does.
function age(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const pair = (big, a, small, b) => `${big}\u00a0${a} ${small}\u00a0${b}`;
  if (s < 60) return `${s}\u00a0s`;
  if (s < 3600) return pair(Math.floor(s / 60), "min", s % 60, "s");
  if (s < 86400) return pair(Math.floor(s / 3600), "h", Math.floor(s / 60) % 60, "min");
  return pair(Math.floor(s / 86400), "d", Math.floor(s / 3600) % 24, "h");
}

function tick() {
  const now = serverNow();
  for (const t of document.querySelectorAll("time[data-age]")) {
    const text = age(now - Date.parse(t.dateTime));
    if (t.textContent !== text) t.textContent = text;
  }
  for (const e of document.querySelectorAll(".since[data-stale]")) {
    const limit = Number(e.dataset.stale) * 1000;
    const t = e.querySelector("time[datetime]");
    if (limit && t) e.classList.toggle("is-stale", now - Date.parse(t.dateTime) >= limit);
  }
  for (const t of document.querySelectorAll("time[data-clock]")) t.textContent = clockText.format(now);
}

function watch() {
  const silent = performance.now() - heard;
  if (silent >= DEAD) link("dead");
  else if (silent >= LOST) link("lost");
  // A stream can hang without an error, and browsers may wait long: after three missing
  // beats try another one, and then every 5 s.
  if (silent >= LOST && !(tried > performance.now() - AGAIN)) {
    tried = performance.now();
    open();
  }
}

// Timers of hidden tabs are slowed down; the stream is not, and it keeps running.
setInterval(watch, WATCH);
setInterval(tick, TICK);
document.addEventListener("visibilitychange", () => { watch(); tick(); });
addEventListener("online", open);
// A page taken from the back-forward cache has a closed stream and old content.
addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); });
open();
