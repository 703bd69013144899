// sound.js lets alarms be heard. Classes differ by rhythm, not by loudness:
//   A  3 + 2 pulses, each 5 s       B  3 pulses, each 30 s       C  one pulse, once
// An exercise has another timbre. Browsers stay silent until a person has pressed
// something, so a button tests the sound at the start of a shift; if the sound cannot
// run, a strip says so and the server is told at body[data-sound].

const PULSE = 0.16; // s, length of a pulse
const STEP = 0.28; // s from one pulse to the next
const GROUP = 0.5; // s between the two groups of A
const LOUD = 0.35; // of full scale; the volume is the device's
const LEAD = 0.02; // s; a start in the past would be cut
const FADE = 0.015; // s, against clicks
const MUTE = 60000; // ms; a mute ends by itself, the sight of the alarm stays
const EVERY = { A: 5000, B: 30000, C: 0 }; // ms from one call to the next; 0: once
const CHECK = 5000; // ms between two looks at the audio device
const TESTED = "sound-tested"; // of sessionStorage

// Two partials per timbre: distinct for reality and exercise, both in the range that
// small loudspeakers carry and older ears hear.
const TIMBRE = { real: { type: "square", tones: [880, 1320] }, drill: { type: "triangle", tones: [523, 392] } };

const body = document.body;
const slot = document.querySelector("[data-sound-state]");
const strip = document.getElementById("sound-strip");
const label = slot.querySelector("[data-text]");
const offText = label.textContent;

let context;
let current = { class: "" };
let repeat;
let mutedUntil = 0;
let told = "";

// A page marked as an exercise may outlive it: what is real is heard as real at once.
const timbre = () => (body.dataset.kind && !current.real ? TIMBRE.drill : TIMBRE.real);

function device() {
  if (!context) {
    context = new AudioContext(); // silent until a person presses something: the browser warns, we go on
    context.addEventListener("statechange", () => {
      if (running()) start(); // what rings already must not wait for its next turn
      show();
    });
  }
  return context;
}

const running = () => context?.state === "running";

function pulse(at) {
  const gain = context.createGain();
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(LOUD, at + FADE);
  gain.gain.setValueAtTime(LOUD, at + PULSE - FADE);
  gain.gain.linearRampToValueAtTime(0, at + PULSE);
  gain.connect(context.destination);
  const { type, tones } = timbre();
  for (const tone of tones) {
    const o = context.createOscillator();
    const part = context.createGain();
    part.gain.value = 1 / tones.length;
    o.type = type;
    o.frequency.value = tone;
    o.connect(part).connect(gain);
    o.start(at);
    o.stop(at + PULSE);
  }
}

/** Starts of the pulses of a class, in seconds. */
export function rhythm(kind) {
  const three = [0, STEP, 2 * STEP];
  if (kind === "A") return [...three, 3 * STEP + GROUP, 4 * STEP + GROUP];
  return kind === "B" ? three : [0];
}

function call(kind) {
  if (!running() || Date.now() < mutedUntil) return;
  for (const s of rhythm(kind)) pulse(context.currentTime + LEAD + s);
  document.dispatchEvent(new CustomEvent("sound:called", { detail: kind }));
}

function ring(a) {
  // A goes on at its own beat. B and C call at once for what is new, or it would be
  // heard up to half a minute late.
  const anew = a.class !== current.class || (a.class !== "A" && a.since > current.since);
  current = a;
  if (anew) start();
}

function start() {
  const kind = current.class;
  clearInterval(repeat);
  if (!kind) return;
  call(kind);
  if (EVERY[kind]) repeat = setInterval(() => call(kind), EVERY[kind]);
}

async function wake() {
  try {
    await device().resume();
  } catch {
    // stays as it is: show() says so
  }
  show();
}

async function test() {
  await wake();
  if (!running()) return;
  if (!current.class) for (const s of rhythm("B")) pulse(context.currentTime + LEAD + s);
  sessionStorage.setItem(TESTED, new Intl.DateTimeFormat("cs", { timeZone: "Europe/Prague", hour: "2-digit", minute: "2-digit" }).format(Date.now()));
  show();
}

// show tells reader and server the same: whether this page can be heard.
function show() {
  const tested = sessionStorage.getItem(TESTED);
  const muted = Date.now() < mutedUntil;
  const on = running() && tested !== null;
  slot.dataset.soundState = on && !muted ? "on" : "off";
  label.textContent = !on ? offText : muted ? slot.dataset.muted : slot.dataset.tested.replace("{time}", tested);
  // Before the first test the button says it; a sound that was there and is gone, or an
  // alarm nobody hears, gets the strip.
  strip.hidden = running() || (tested === null && !current.class);
  tell(!running() ? "blocked" : muted ? "muted" : "running");
}

function tell(state) {
  if (state === told || !body.dataset.sound) return;
  told = state;
  fetch(body.dataset.sound, { method: "POST", body: new URLSearchParams({ state }), keepalive: true }).catch(() => { told = ""; });
}

for (const b of document.querySelectorAll("[data-sound-test]")) b.addEventListener("click", test);
for (const b of document.querySelectorAll("[data-sound-mute]")) b.addEventListener("click", () => {
  mutedUntil = Date.now() + MUTE;
  show();
  setTimeout(show, MUTE);
});
// Whatever the person presses first wakes the device.
for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => { if (!running()) wake(); }, { passive: true });

let before; // what rang when the stream went dead

document.addEventListener("live:alarm", (e) => { before = undefined; ring(e.detail); show(); });
// A page that hears nothing from its server is deaf: that itself calls a person.
document.addEventListener("live:link", (e) => {
  if (e.detail === "dead") {
    before = current;
    ring({ class: "A" });
  } else if (e.detail === "live" && before) {
    ring(before);
    before = undefined;
  }
  show();
});
setInterval(show, CHECK);
wake();
