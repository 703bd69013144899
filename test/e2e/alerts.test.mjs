// Official warnings and gauges: documents that somebody brings are on the pages, which
// are looked at in all languages.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openWindow, startBrowser } from "./lib/browser.mjs";
import { startDemo } from "./lib/demo.mjs";
import { inspectAll } from "./lib/inspect.mjs";
import { Desk } from "./lib/pages.mjs";
import { note } from "./lib/record.mjs";

let demo;
let browser;
before(async () => { browser = await startBrowser(); demo = await startDemo(); });
after(async () => { await Promise.all([demo?.end(), browser?.close()]); });

// local writes a time as the Polish institute does: of its clock, without a zone.
const local = (hours) => new Date(Date.now() + hours * 3_600_000).toLocaleString("sv-SE", { timeZone: "Europe/Warsaw" });

function take(command, feed, document) {
  const file = join(demo.dir, `${feed}.json`);
  writeFileSync(file, JSON.stringify(document));
  execFileSync(process.env.E2E_BINARY, [command, "take", "--config", join(demo.dir, "liberec", "node.yaml"), "--feed", feed, file], { encoding: "utf8" });
}

test("a warning and a level that somebody brings", async (t) => {
  take("alert", "imgw-hydro", [{
    numer: "7", zdarzenie: "Wezbranie z przekroczeniem stanów alarmowych", "stopień": "3", data_od: local(-1), data_do: local(12), opublikowano: local(-2),
    prawdopodobienstwo: "90", przebieg: "Poziom Nysy Łużyckiej będzie szybko rósł.", komentarz: "Brak.", biuro: "IMGW-PIB, próba",
    obszary: [{ wojewodztwo: "dolnośląskie", opis: "Nysa Łużycka", kod_zlewni: ["Z_O_PD_1"] }],
  }]);
  take("gauge", "imgw", [{ id_stacji: "151140060", stacja: "Zgorzelec", rzeka: "Nysa Łużycka", lat: "51.1611", lon: "14.9936", stan_wody: "306", stan_wody_data_pomiaru: local(0), przeplyw: null }]);
  const d = new Desk(await openWindow(browser, demo.urls.liberec, "cs"), "cs");
  t.after(() => d.context.close());
  await d.signIn(demo.who("liberec", "dispatcher")[0]);
  await d.go("/warnings");
  await inspectAll(t, d, "warnings");
  const warning = await d.page.locator("a[href^='/warnings/']").evaluateAll((all) => all.map((a) => a.getAttribute("href")).find((h) => /^\/warnings\/[0-9a-f]+$/.test(h)));
  assert.ok(warning, "the warning is on the page");
  await d.go(warning);
  await inspectAll(t, d, "warning");
  const fetched = async (selector) => {
    const href = await d.page.locator(selector).first().getAttribute("href");
    const answer = await d.page.request.get(href);
    assert.equal(answer.status(), 200, href);
    note("others", new URL(href, d.page.url()).href);
    return answer.text();
  };
  assert.match(await fetched("a[href^='/warnings/documents/']"), /Wezbranie/);
  // What others fetch of it.
  await d.go("/outlets");
  await inspectAll(t, d, "outlets");
  await d.go(await d.page.locator("a[href^='/outlets/w-']").first().getAttribute("href"));
  await inspectAll(t, d, "outlet");
  await d.go("/rivers/pl-zgorzelec");
  await inspectAll(t, d, "gauge");
  assert.match(await fetched("a[href*='values.csv']"), /306/);
  assert.deepEqual(d.faults, []);
});

// No push service is asked: the browser is given a message as one would hand it over.
test("what is pushed to a browser is shown, and an update takes its place", async (t) => {
  const w = await openWindow(browser, demo.urls.liberec, "de", { permissions: ["notifications"] });
  t.after(() => w.context.close());
  await w.page.goto("/subscribe/de");
  const cdp = await w.context.newCDPSession(w.page);
  const registered = new Promise((done) => {
    cdp.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      const r = registrations.find((x) => x.scopeURL === `${new URL(demo.urls.liberec).origin}/subscribe/`);
      if (r) done(r.registrationId);
    });
  });
  await cdp.send("ServiceWorker.enable");
  await w.page.evaluate(async () => {
    await navigator.serviceWorker.register("/subscribe/worker.js");
    await navigator.serviceWorker.ready; // this page is under it
  });
  const registrationId = await registered;
  const push = (data) => cdp.send("ServiceWorker.deliverPushMessage", { origin: new URL(demo.urls.liberec).origin, registrationId, data });
  // The browser's test interface loses what it is handed before it has the worker; what is
  // handed again has the same tag, and is no second notification.
  const shown = async (n, title, data) => {
    await push(data);
    for (let begun = Date.now(), end = begun + 30_000; ;) {
      const all = await w.page.evaluate(async () => (await (await navigator.serviceWorker.ready).getNotifications()).map((x) => ({ title: x.title, body: x.body, tag: x.tag, lang: x.lang, data: x.data })));
      if (all.length === n && all.some((x) => x.title === title)) return all;
      assert.ok(Date.now() < end, `${title}: ${JSON.stringify(all)}`);
      if (Date.now() > begun + 3000) {
        begun = Date.now();
        await push(data);
      }
      await new Promise((done) => { setTimeout(done, 100); });
    }
  };
  const message = { id: "1", kind: "live", origin: "subscription", of: "subscription/warning/7", lang: "de", title: "Neu: Hochwasser", body: "Zdroj: ČHMÚ", link: `${demo.urls.liberec}/public/place/CZ-564028/de` };
  assert.deepEqual(await shown(1, "Neu: Hochwasser", JSON.stringify(message)), [{ title: "Neu: Hochwasser", body: "Zdroj: ČHMÚ", tag: "subscription/warning/7", lang: "de", data: { link: message.link, mine: "/subscribe/de" } }]);
  await shown(1, "Geändert: Hochwasser", JSON.stringify({ ...message, title: "Geändert: Hochwasser" }));
  const drill = (await shown(2, "ÜBUNG: Hochwasser", JSON.stringify({ ...message, of: "other", kind: "exercise", mark: "CVIČENÍ · ÜBUNG", title: "ÜBUNG: Hochwasser" }))).find((x) => x.tag === "other");
  assert.equal(drill.body, "CVIČENÍ · ÜBUNG\nZdroj: ČHMÚ");
  await shown(3, "Für Ihren Ort hat sich etwas geändert", "not JSON");
  assert.deepEqual(w.faults, []);
});
