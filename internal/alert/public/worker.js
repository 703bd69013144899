// Shows what the node pushes (RFC 8030), and nothing else: it asks nobody for anything and
// keeps nothing. TEXTS stands above, as the node writes it in four languages.

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (e) => e.waitUntil(self.clients.claim()));

self.addEventListener("push", (e) => {
  let m = {};
  try {
    m = e.data.json();
  } catch {
    // a browser asks that something is shown also of what cannot be read
  }
  const lang = TEXTS[m.lang] ? m.lang : TEXTS[self.navigator.language.slice(0, 2)] ? self.navigator.language.slice(0, 2) : "en";
  const texts = TEXTS[lang];
  const drill = m.mark && m.kind !== "live" ? m.mark + "\n" : "";
  e.waitUntil(self.registration.showNotification(m.title || texts.unknown, {
    body: drill + (m.body || ""), lang, dir: "ltr",
    tag: m.of || "unknown", renotify: true, // an update takes the place of what it is an update of
    actions: [{ action: "mine", title: texts.mine }],
    data: { link: m.link || "/public/in/" + lang, mine: "/subscribe/" + lang },
  }));
});

self.addEventListener("notificationclick", (e) => {
  e.notification.close();
  const { link, mine } = e.notification.data;
  e.waitUntil(self.clients.openWindow(e.action === "mine" ? mine : link));
});
