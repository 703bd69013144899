// The end of a session: announced on a page that somebody writes on, put off by a press,
// and the way back without losing a word. The node tells the time; here it is made up, since
// an hour is long for a test. What the node really says is tested in package signin.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openWindow, startBrowser } from "./lib/browser.mjs";
import { startDemo } from "./lib/demo.mjs";
import { inspect, inspectAll } from "./lib/inspect.mjs";
import { Desk } from "./lib/pages.mjs";
import { languages } from "./lib/texts.mjs";

let demo;
let browser;
before(async () => { browser = await startBrowser(); demo = await startDemo(); });
after(async () => { await Promise.all([demo?.end(), browser?.close()]); });

const HOUR = 3_600_000;
const window = async (t, lang, place = "liberec") => {
  const d = new Desk(await openWindow(browser, demo.urls[place], lang), lang);
  t.after(() => d.context.close());
  return d;
};

test("the end of a session", async (t) => {
  for (const lang of languages) {
    const d = await window(t, lang);
    await d.signIn(demo.who("liberec", "dispatcher")[0]);
    const asked = [];
    let answer; // of the node: a function of the method
    await d.page.route("**/me/session.json", (route) => {
      asked.push(route.request().method());
      const state = answer(route.request().method());
      return state ? route.fulfill({ json: state }) : route.fulfill({ status: 401, json: {} });
    });
    await d.page.clock.install();
    await d.go("/me");
    const strip = d.page.locator("#session-strip");
    const field = d.field("signin.name");
    await field.fill("Half a na");
    const begin = Number(await strip.getAttribute("data-now"));
    const end = Number(await strip.getAttribute("data-ends"));
    // The pages that were opened on the way are within the first minute of the hour.
    assert.ok(end - begin > HOUR - 61_000 && end - begin <= HOUR, `ends in ${end - begin} ms`);
    let passed = 0;
    const pass = async (ms) => { passed += ms; await d.page.clock.runFor(ms); };
    const skip = async (ms) => { passed += ms; await d.page.clock.fastForward(ms); };
    const now = () => begin + passed;

    answer = () => ({ now: now(), ends: end, extends: true });
    await skip(end - begin - 125_000);
    assert.deepEqual(asked, [], "asked before it is time");
    assert.equal(await strip.isVisible(), false);
    await pass(8000);
    await strip.waitFor();
    await d.see("web.session.stay");
    assert.equal(await d.button("web.session.stay").isVisible(), true);
    assert.equal(await d.link("web.session.again").isVisible(), false);

    answer = (method) => ({ now: now(), ends: method === "POST" || asked.includes("POST") ? now() + HOUR : end, extends: true });
    await d.button("web.session.stay").click();
    await strip.waitFor({ state: "hidden" });
    assert.equal(asked.at(-1), "POST");
    assert.equal(await field.inputValue(), "Half a na");

    // The longest time is reached: only signing in again helps.
    const last = now() + HOUR;
    answer = () => ({ now: now(), ends: last, extends: false });
    await skip(HOUR - 115_000);
    await pass(2000);
    await strip.waitFor();
    assert.equal(await d.button("web.session.stay").isVisible(), false);
    assert.equal(await d.link("web.session.again").isVisible(), true);

    // An incident comes to the desk: nothing ends, and nothing is said.
    answer = () => ({ now: now(), ends: 0, extends: false });
    await pass(16_000);
    await strip.waitFor({ state: "hidden" });
    answer = () => undefined; // over after all
    await pass(16_000);
    await strip.waitFor();
    assert.match(await strip.textContent(), d.like("web.session.over"));
    const [tab] = await Promise.all([d.context.waitForEvent("page"), d.link("web.session.again").click()]);
    await tab.waitForURL(/\/signin\?next=%2Fme%2Fsession/);
    await tab.close();
    answer = () => ({ now: now(), ends: now() + HOUR, extends: true });
    await pass(16_000);
    await strip.waitFor({ state: "hidden" });
    assert.equal(await field.inputValue(), "Half a na");

    // What it looks like.
    answer = () => undefined;
    await skip(HOUR);
    await pass(2000);
    await strip.waitFor();
    await inspect(d.page, "session-over", lang);
    await d.go("/me/unsent?lost=unknown");
    await inspect(d.page, "unsent", lang);
    assert.deepEqual(d.faults.filter((f) => !f.includes("401 for")), []);
  }
});

test("alarms that wait are counted at an empty desk", async (t) => {
  const d = await window(t, "de", "hoyerswerda");
  await d.signIn(demo.who("hoyerswerda", "shift_leader")[0]);
  await d.page.goto("/desks");
  await d.field("signin.desks.name").fill("Tisch 3");
  await d.button("signin.desks.do").click();
  await d.see("signin.desks.named");
  const stranger = await window(t, "de", "hoyerswerda");
  await stranger.page.goto("/signin");
  assert.equal(await stranger.page.locator("#waiting").count(), 0);
  await d.page.locator(".menu-person summary").click();
  await d.button("web.change_user").click();
  await d.page.waitForURL(/\/desk/);
  const number = async () => Number(/\d+/.exec(await d.page.locator("#waiting [data-part=number]").textContent())?.[0] ?? 0);
  const before = await number();
  await d.page.locator("input[type=password]").fill("half a passw");

  const sender = await window(t, "cs");
  await sender.signIn(demo.who("liberec", "dispatcher")[0]);
  await sender.handOver({ where: "50.8655 14.8286", what: "dopravní nehoda", issue: "Někdo se má přihlásit.", injured: 1, to: /Hoyerswerda/ });
  await d.page.waitForFunction((n) => Number(/\d+/.exec(document.querySelector("#waiting [data-part=number]").textContent)?.[0] ?? 0) > n, before);
  assert.equal(await d.page.locator("input[type=password]").inputValue(), "half a passw");
  assert.ok(!(await d.page.locator("main").textContent()).includes("nehoda"));
  await inspectAll(t, d, "desk-waiting");
  assert.deepEqual(d.faults, []);
});
