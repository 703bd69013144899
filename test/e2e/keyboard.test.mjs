// Handing over, accepting and completing by keyboard alone; wherever the focus stops it
// can be seen, and nothing lies over it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { drawsMaps, openWindow, shot, sizes, startBrowser } from "./lib/browser.mjs";
import { startDemo } from "./lib/demo.mjs";
import { inspect } from "./lib/inspect.mjs";
import { Desk } from "./lib/pages.mjs";
import { languages } from "./lib/texts.mjs";

let demo;
let browser;
before(async () => { browser = await startBrowser(); demo = await startDemo(); });
after(async () => { await Promise.all([demo?.end(), browser?.close()]); });

const FEW = 5; // skip link, menus, and something to do
const STOPS = 80; // of a page; more would be a trap

async function desk(t, place, lang, options) {
  const d = new Desk(await openWindow(browser, demo.urls[place], lang, options), lang);
  t.after(() => d.context.close());
  await d.signIn(demo.who(place, "dispatcher")[0]);
  return d;
}

// stop says what is wrong with where the focus is; undefined: nothing.
const stop = (page) => page.evaluate(() => {
  const e = document.activeElement;
  if (!e || e === document.body) return undefined;
  const name = `${e.tagName.toLowerCase()}#${e.id} "${(e.textContent || e.name || "").trim().slice(0, 30)}"`;
  const s = getComputedStyle(e);
  if (s.outlineStyle === "none" && s.boxShadow === "none") return `the focus is not to be seen at ${name}`;
  const box = e.getBoundingClientRect();
  if (box.width === 0) return `the focus is at nothing: ${name}`;
  const x = Math.min(Math.max(box.left + Math.min(box.width, 40) / 2, 0), innerWidth - 1);
  const y = Math.min(Math.max(box.top + Math.min(box.height, 40) / 2, 0), innerHeight - 1);
  const top = document.elementFromPoint(x, y);
  if (!top || !(e.contains(top) || top.contains(e) || [...(e.labels ?? [])].some((l) => l.contains(top)))) return `${name} is covered by ${top?.tagName.toLowerCase()}.${top?.className}`;
  return undefined;
});

async function tabTo(d, target, wrong) {
  for (let n = 0; n < STOPS; n++) {
    if (await target.evaluate((e) => e === document.activeElement)) return;
    await d.page.keyboard.press("Tab");
    const what = await stop(d.page);
    if (what) wrong.add(what);
  }
  assert.fail(`${target} is not reached by Tab`);
}

test("a whole incident by keyboard", async (t) => {
  const [sender, receiver] = [await desk(t, "liberec", "cs"), await desk(t, "hoyerswerda", "de")];
  const wrong = new Set();
  await receiver.go("/console");
  await receiver.page.keyboard.press("F8");
  await receiver.page.locator("[data-sound-state=on]").waitFor();

  await sender.go("/console");
  await sender.page.keyboard.press("n");
  await sender.page.waitForURL(/\/console\/handover/);
  assert.ok(await sender.field("console.p.where").evaluate((e) => e === document.activeElement), "the form does not begin at its first field");
  await sender.page.keyboard.type("50.8655 14.8286");
  for (const [key, words] of [["console.p.field.type", "dopravní nehoda"], ["console.p.field.issue", "Dvě auta, jen klávesnice."], ["console.p.field.injured", "2"]]) {
    await tabTo(sender, sender.field(key), wrong);
    await sender.page.keyboard.type(words);
  }
  await tabTo(sender, sender.page.getByRole("checkbox", { name: /Hoyerswerda/ }), wrong);
  await sender.page.keyboard.press("Space");
  await sender.page.keyboard.press("Control+Enter");
  await sender.page.waitForURL(/\/console\/incidents\//);

  await receiver.page.locator("#alarms").getByText(receiver.text("console.d.cause.incoming")).first().waitFor();
  await receiver.page.keyboard.press("F9");
  await receiver.page.waitForURL(/\/console\/incidents\//);
  await receiver.page.keyboard.press("a");
  await receiver.button("console.p.do.accept_now").waitFor();
  await receiver.page.keyboard.press("Control+Enter");
  await receiver.incidentAgain();
  await receiver.see("console.d.state.accepted");
  await receiver.page.keyboard.press("c");
  await receiver.button("console.p.do.complete_now").waitFor();
  await receiver.page.keyboard.press("Control+Enter");
  await receiver.incidentAgain();
  await receiver.see("console.d.state.completed");
  await sender.see("console.d.state.completed");
  assert.deepEqual([...wrong], []);
});

test("a sentence of the phrasebook by keyboard", async (t) => {
  const [sender, receiver] = [await desk(t, "liberec", "cs"), await desk(t, "hoyerswerda", "de")];
  const path = await sender.handOver({ where: "50.8655 14.8286", what: "dopravní nehoda", issue: "Slovník vět.", injured: 1, to: /Hoyerswerda/ });
  const { page } = sender;
  const focused = (id) => page.waitForFunction((want) => document.activeElement?.id === want, id);

  await page.goto(`${path}?tab=messages`);
  await page.keyboard.press("?");
  await page.locator("#keys").getByText(sender.text("phrase.picker.do")).waitFor();
  await page.keyboard.press("Escape");

  await page.keyboard.press("v");
  await focused("phrase");
  assert.equal(new URL(page.url()).pathname, path, "the picker opens beside the thread");
  assert.equal(await page.locator("#message-form").isVisible(), false);
  await page.keyboard.press("Escape");
  await focused("text");
  await page.locator("#phrase-open").focus();

  await page.keyboard.press("v");
  await focused("phrase");
  await page.keyboard.type("zaklin oso"); // beginnings of words, without accents
  assert.equal(await page.locator("#phrase").inputValue(), "P20");
  await page.keyboard.press("Enter");
  await focused("slot-n");
  await page.keyboard.type("two");
  await page.keyboard.press("Enter");
  await page.locator("#phrases").getByText(sender.text("phrase.fault.value.number")).first().waitFor();
  await page.locator("#slot-n").fill("2");
  await page.locator("#slot-n").press("Enter");
  await focused("phrase-send");
  await page.locator("#phrases [lang=de]").getByText("2 eingeklemmte Personen.").waitFor();
  await page.locator("#phrases [lang=cs]").getByText("2 zaklíněné osoby.").waitFor();
  await page.keyboard.press("Enter");
  await focused("text");
  await page.locator("#messages").getByText("2 zaklíněné osoby.").waitFor();

  const there = new URL(page.url()).pathname.split("/").at(-1);
  await receiver.go(`/console/incidents/${there}?tab=messages`);
  await receiver.page.locator("#messages .message-text").getByText("2 eingeklemmte Personen.").waitFor();
  await receiver.page.locator("#messages .message-original").getByText("2 zaklíněné osoby.").waitFor();
  await receiver.page.locator("#messages").getByText(receiver.text("ui.message.phrasebook", { lang: sender.text("i18n.language") })).waitFor();
  const wrong = (f) => !/: 422 for .*\/phrase$/.test(f); // the number that was none
  assert.deepEqual([...sender.faults, ...receiver.faults].filter(wrong), []);
});

// The map of the region answers for a point of the Czech-Saxon corridor: by a click, by
// the keys of the map, and on the page of the agreements, whose field the click fills.
for (const lang of languages) {
  test(`a point of the map is asked ${lang}`, async (t) => {
    const own = await startBrowser(...drawsMaps);
    t.after(() => own.close());
    const d = new Desk(await openWindow(own, demo.urls.hoyerswerda, lang, { viewport: sizes.room }), lang);
    await d.signIn(demo.who("hoyerswerda", "dispatcher")[0]);
    const answer = d.page.locator(".map-answer");
    const map = d.page.locator("tm-map.map-ready .maplibregl-canvas");
    const varnsdorf = "lat=50.9115&lon=14.6182";

    await d.go(`/map?${varnsdorf}`);
    await map.waitFor();
    assert.match((await d.page.locator("main a[href^='/agreements?at=50.911500']").textContent()).trim(), d.like("agreement.panel"));
    const box = await map.boundingBox();
    await map.click({ position: { x: box.width / 2, y: box.height / 2 } });
    const ems = answer.locator("#at-agreement-ems-CZ");
    await ems.locator("summary").getByText("AG04").waitFor();
    await ems.locator("summary").click();
    for (const column of ["who_consents", "contact_route", "form"]) await ems.getByText(d.like(`agreement.column.${column}`)).first().waitFor();
    await ems.getByText("SächsBRKG § 14(5), (6)").first().waitFor(); // whose forces go abroad has a duty of his own
    await inspect(d.page, "map-answer", lang);
    await shot(d.page, "map-answer", lang);

    // By keys: the centre is moved to the west, where it is Saxony, and asked.
    await map.focus();
    for (let n = 0; n < 3; n++) await d.page.keyboard.press("ArrowLeft");
    await d.page.waitForTimeout(1000); // the map glides
    await d.page.keyboard.press("Enter");
    await answer.getByText(d.like("agreement.way.ask", { country: d.text("register.country.CZ") })).first().waitFor();

    await d.go("/agreements");
    await map.waitFor();
    await map.focus();
    await d.page.keyboard.press("Enter");
    await answer.locator("h2").waitFor();
    assert.match(await d.page.locator("#at").inputValue(), /^\d\d\.\d{6}, \d\d\.\d{6}$/);
    await answer.locator("a[href^='/agreements?at=']").click();
    await d.page.locator("#answer h2").first().waitFor();
    await inspect(d.page, "agreements-point", lang);
    assert.deepEqual(d.faults, []);
  });
}

test("bars do not cover the focus on a small screen", async (t) => {
  const d = await desk(t, "liberec", "de", { viewport: { width: 320, height: 640 } });
  for (const path of ["/console", "/console/handover", "/console/shift", "/health", "/me"]) {
    await t.test(path, async () => {
      await d.go(path);
      const wrong = new Set();
      let stops = 0;
      for (; stops < STOPS; stops++) {
        await d.page.keyboard.press("Tab");
        const what = await stop(d.page);
        if (what) wrong.add(what);
        if (await d.page.evaluate(() => document.activeElement === document.body)) break;
      }
      assert.ok(stops >= FEW, `only ${stops} stops`);
      assert.deepEqual([...wrong], []);
    });
  }
});
