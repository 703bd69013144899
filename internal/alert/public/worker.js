// Shows what the node pushes (RFC 8030), and nothing else: it asks nobody for anything and
// keeps nothing. TEXTS stands above, as the node writes it in four languages.

const own = self.navigator.language.slice(0, 2);
const language = (wanted) => [wanted, own].find((l) => TEXTS[l]) ?? "en";

function show(title, lang, tag, body, link) {
  return self.registration.showNotification(title, {
    body, lang, tag, renotify: true, // an update takes the place of what it is an update of
    actions: [{ action: "mine", title: TEXTS[lang].mine }],
    data: { link, mine: "/subscribe/" + lang },
  });
}

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("push", (e) => {
  let m = {};
  try {
    m = e.data.json();
  } catch {
    // a browser asks that something is shown also of what cannot be read
  }
  const lang = language(m.lang);
  const drill = m.mark && m.kind !== "live" ? m.mark + "\n" : "";
  e.waitUntil(show(m.title || TEXTS[lang].unknown, lang, m.of || "unknown", drill + (m.body || ""), m.link || "/public/in/" + lang));
});

// The browser has ended its address or made another one: the node would write to nobody.
self.addEventListener("pushsubscriptionchange", (e) => {
  const lang = language();
  e.waitUntil(show(TEXTS[lang].over, lang, "over", "", "/subscribe/" + lang));
});

self.addEventListener("notificationclick", (e) => {
  e.notification.close();
  const { link, mine } = e.notification.data;
  e.waitUntil(self.clients.openWindow(e.action === "mine" ? mine : link));
});
