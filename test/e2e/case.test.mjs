// Two neighbours hand over the same accident: a person makes one event of it, a change
// goes to both, and two dispatchers who change at once see each other. In each language.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openWindow, shot, sizes, startBrowser } from "./lib/browser.mjs";
import { startDemo } from "./lib/demo.mjs";
import { inspect, inspectAll } from "./lib/inspect.mjs";
import { Desk } from "./lib/pages.mjs";
import { languages } from "./lib/texts.mjs";

let demo;
let browser;
before(async () => { browser = await startBrowser(); demo = await startDemo(); });
after(async () => { await Promise.all([demo?.end(), browser?.close()]); });

async function desk(t, place, lang, n = 0) {
  const d = new Desk(await openWindow(browser, demo.urls[place], lang, { viewport: sizes.room }), lang);
  t.after(() => d.context.close());
  await d.signIn(demo.who(place, "dispatcher")[n]);
  return d;
}

// The pages are looked at in every language; people do it once in two of them.
const places = { cs: ["50.8541 14.8442", "50.8548 14.8450"], pl: ["50.7671 15.0562", "50.7675 15.0570"] };

// Never none: hooks without a test would leave their demo running.
const asked = ["cs", "pl"].filter((l) => languages.includes(l));
for (const lang of asked.length > 0 ? asked : ["cs"]) {
  test(`one event of two neighbours ${lang}`, async (t) => {
    const look = (d, name) => (lang === "cs" ? inspectAll(t, d, name) : undefined);
    const [one, two, jana, petr] = await Promise.all([
      desk(t, "hoyerswerda", "de"), desk(t, "zgorzelec", "pl"), desk(t, "liberec", lang), desk(t, "liberec", lang, 1)]);
    const [here, there] = [`Pkw gegen Lkw (${lang}).`, `Samochód i ciężarówka (${lang}).`];
    const away = await one.handOver({ where: places[lang][0], what: "Verkehrsunfall", issue: here, injured: 2, to: /Liberec/ });
    await two.handOver({ where: places[lang][1], what: "wypadek drogowy", issue: there, injured: 3, to: /Liberec/ });

    // The second one is a suggestion, no more: two rows stand in the queue.
    await jana.go("/console");
    await jana.row(here).waitFor();
    await jana.row(there).click();
    await jana.link("console.p.do.compare").click();
    await jana.page.getByRole("heading", { level: 1 }).waitFor();
    await look(jana, "case-compare");
    await jana.button("console.p.do.merge_now").click();
    await jana.page.locator("#case-title").waitFor();
    await jana.page.locator("#queue").getByText(jana.like("console.p.note.records", { n: 2 })).first().waitFor();
    const address = new URL(jana.page.url()).pathname;

    // Two people write a change at once: each sees the other.
    await jana.button("console.p.do.change").click();
    await jana.page.waitForURL(/\/change$/);
    await petr.go(address);
    await petr.page.locator("#incident").getByText(jana.like("console.p.change.editor", { name: await jana.name() })).waitFor();
    await petr.button("console.p.do.change").click();
    await petr.page.waitForURL(/\/change$/);
    await jana.page.locator("#editors").getByText(await petr.name()).waitFor();
    await jana.field("console.d.line.injured").fill("5");
    await jana.button("console.p.do.change_now").click();
    await jana.incidentAgain();

    // What she changed is not overwritten unseen.
    await petr.field("console.d.line.injured").fill("4");
    await petr.button("console.p.do.change_now").click();
    await petr.page.locator("#injured[aria-invalid=true]").waitFor();
    await inspect(petr.page, "case-collision", lang);
    await petr.page.locator("#change-leave").click();
    await petr.incidentAgain();

    // Both neighbours read it in their own language.
    await one.page.locator(".changes").getByText("Verletzte: 2 → 5").waitFor();
    await two.page.locator(".changes").getByText("5").first().waitFor();
    assert.equal(new URL(one.page.url()).pathname, away);
    await jana.page.locator("#incident .changes").waitFor();
    await look(jana, "case-merged");
    await shot(one.page, "case", `${lang}-neighbour`);

    // And it can be taken back.
    await jana.page.locator("[id^=separate-]").last().click();
    await jana.page.locator("#case-title").waitFor({ state: "detached" });
    assert.deepEqual([...jana.faults, ...one.faults, ...two.faults], []);
  });
}
