// subscribe.js lets a browser be told without an address (spec: Push API, RFC 8291, 8292).
// [data-push] holds the key of the node's channel in data-push and the address of the
// worker in data-worker. Its button [data-push-go] asks the person, then puts what the
// browser gave into the field "browser" and sends the form around it. [data-push-mine] is
// shown to a browser that is told already; [data-push-over] lets it go when nothing is left.
// Where the browser can do nothing of this, its texts say so and mail remains.

const decode = (s) => Uint8Array.from(atob(s.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const able = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
const show = (part, name, shown = true) => { const e = part.querySelector(`[data-push-${name}]`); if (e) e.hidden = !shown; };

// current is the subscription that the browser has, null without.
async function current() {
  const all = await navigator.serviceWorker.getRegistrations();
  for (const r of all) {
    const s = r.active?.scriptURL.includes("/subscribe/worker.js") && await r.pushManager.getSubscription();
    if (s) return s;
  }
  return null;
}

// active waits until the worker works; the page itself need not be under it.
const active = (registration) => new Promise((done) => {
  const worker = registration.installing ?? registration.waiting;
  if (registration.active || !worker) { done(); return; }
  worker.addEventListener("statechange", () => { if (worker.state === "activated") done(); });
});

async function ask(part) {
  const registration = await navigator.serviceWorker.register(part.dataset.worker);
  await active(registration);
  if (await Notification.requestPermission() !== "granted") return null;
  const key = decode(part.dataset.push);
  const old = await registration.pushManager.getSubscription();
  if (old) { // of a key that the node no longer has nothing would come
    const same = old.options?.applicationServerKey && String(new Uint8Array(old.options.applicationServerKey)) === String(key);
    if (same) return old;
    await old.unsubscribe();
  }
  return registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
}

function send(form, subscription, what) {
  form.elements.browser.value = JSON.stringify(subscription);
  form.elements.do.value = what;
  form.submit(); // an address of mail is not asked for
}

for (const part of document.querySelectorAll("[data-push]")) {
  show(part, "without", false);
  if (!able) { show(part, "unable"); continue; }
  const go = part.querySelector("[data-push-go]");
  go.hidden = false;
  if (Notification.permission === "denied") show(part, "denied");
  go.addEventListener("click", async () => {
    for (const name of ["denied", "failed"]) show(part, name, false);
    go.disabled = true;
    try {
      const subscription = await ask(part);
      if (subscription) send(go.form, subscription, "browser");
      else show(part, "denied");
    } catch {
      show(part, "failed");
    } finally {
      go.disabled = false;
    }
  });
  const mine = part.querySelector("[data-push-mine]");
  current().then((subscription) => {
    if (!subscription) return;
    mine.hidden = false;
    mine.addEventListener("click", () => send(mine.form, subscription, "mine"));
  }, () => undefined);
}

// The last subscription of this browser has ended: its service need not keep it either. The
// page tells by a digest of the address which browser is meant.
const over = document.querySelector("[data-push-over]");
if (over && able) {
  current().then(async (subscription) => {
    if (!subscription) return;
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(subscription.endpoint)));
    if ([...digest].map((b) => b.toString(16).padStart(2, "0")).join("") === over.dataset.pushOver) await subscription.unsubscribe();
  }).catch(() => undefined);
}
