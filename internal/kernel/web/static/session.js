// session.js says on an open page that its session is about to end, and how to go on
// without losing what is written: by a press where that puts the end off, by signing in
// again in another tab otherwise. The end of which the page knows may have moved (another
// tab was used, an incident came to the desk), so the server is asked before anything is
// said. Asking does not put the end off.

const TICK = 1000; // ms between two looks at the clock
const AGAIN = 15000; // ms between two questions while something is said, or nothing is known
const zone = "Europe/Prague"; // the same time in all three countries
const clockText = new Intl.DateTimeFormat("cs", { timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });

const strip = document.getElementById("session-strip");
const text = strip.querySelector("[data-text]");
const stay = strip.querySelector("[data-stay]");
const again = strip.querySelector("[data-again]");
const notice = Number(strip.dataset.notice);

let offset = Number(strip.dataset.now) - Date.now(); // server minus this machine
let ends = Number(strip.dataset.ends); // 0: it does not end now
let due = ends ? ends - notice : serverNow() + AGAIN;
let asking = false;

function serverNow() { return Date.now() + offset; }

function say(what) {
  const words = strip.dataset[what].replace("{time}", clockText.format(ends));
  stay.hidden = what !== "idle";
  again.hidden = what === "idle";
  if (text.textContent !== words) text.textContent = words;
  strip.hidden = false; // read out: its box is an alert
}

// ask learns the end from the server; method POST puts it off where that is possible.
async function ask(method) {
  if (asking) return;
  asking = true;
  due = serverNow() + AGAIN;
  try {
    const answer = await fetch(strip.dataset.state, { method, headers: { accept: "application/json" }, cache: "no-store", redirect: "manual" });
    if (answer.status === 401) over();
    else if (answer.ok) know(await answer.json());
  } catch {
    // Not reached: what is known stays, and is asked again.
    if (ends && serverNow() >= ends) over();
  } finally {
    asking = false;
  }
}

function over() {
  ends = Math.min(ends || serverNow(), serverNow()); // somebody may have ended it before
  say("over");
}

function know(state) {
  offset = state.now - Date.now();
  ends = state.ends;
  if (ends && ends - state.now <= notice) {
    say(state.extends ? "idle" : "last");
    return;
  }
  strip.hidden = true;
  if (ends) due = ends - notice;
}

stay.addEventListener("click", () => ask("POST"));
const look = () => { if (serverNow() >= due) ask("GET"); };
setInterval(look, TICK);
// A machine that slept, a page that comes back, a tab in which somebody has just signed in again.
for (const event of ["visibilitychange", "focus", "pageshow"]) {
  addEventListener(event, () => { if (!strip.hidden) due = 0; look(); });
}
