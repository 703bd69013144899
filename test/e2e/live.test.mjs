// Never quietly dead: a server that stops, a tab behind another one.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openWindow, shot, startBrowser, startTabs } from "./lib/browser.mjs";
import { startDemo } from "./lib/demo.mjs";
import { Desk } from "./lib/pages.mjs";

let demo;
let browser;
before(async () => { browser = await startBrowser(); demo = await startDemo(); });
after(async () => { await Promise.all([demo?.end(), browser?.close()]); });

test("a killed server", async (t) => {
  const d = new Desk(await openWindow(browser, demo.urls.hoyerswerda, "de"), "de");
  t.after(() => d.context.close());
  await d.signIn(demo.who("hoyerswerda", "dispatcher")[0]);
  await d.arm();
  const link = (state, ms) => d.page.locator(`body[data-link=${state}]`).waitFor({ timeout: ms });
  await link("live", 20_000);

  // A server that hangs says nothing, not even that it is gone.
  const node = demo.node("hoyerswerda");
  process.kill(node, "SIGSTOP");
  const stopped = Date.now();
  await link("lost", 20_000);
  const lost = Date.now() - stopped;
  assert.ok(lost >= 3500 && lost <= 15_000, `"connection lost" after ${lost} ms`);
  await d.see("web.link.lost");
  await shot(d.page, "live", "lost");
  const before = await d.calls();
  await link("dead", 25_000);
  const dead = Date.now() - stopped;
  assert.ok(dead >= 12_500 && dead <= 25_000, `grey after ${dead} ms`);
  await d.see("web.link.dead");
  assert.match(await d.page.locator("main").evaluate((e) => getComputedStyle(e).filter), /grayscale\(1\)/);
  await shot(d.page, "live", "dead");
  await d.called(before); // a deaf console calls a person

  process.kill(node, "SIGKILL");
  await link("live", 30_000);
  assert.equal(await d.page.locator("#link-strip").isVisible(), false);
  assert.equal(await d.page.locator("main").evaluate((e) => getComputedStyle(e).filter), "none");
  assert.notEqual(demo.node("hoyerswerda"), node);

  // It is the live console again, not only its frame.
  const sender = new Desk(await openWindow(browser, demo.urls.liberec, "cs"), "cs");
  t.after(() => sender.context.close());
  await sender.signIn(demo.who("liberec", "dispatcher")[0]);
  const again = await d.calls();
  await sender.handOver({ where: "Hrádek nad Nisou", what: "požár", issue: "Hoří sklad po výpadku.", injured: 0, to: /Hoyerswerda/ });
  await sender.receipt("delivered");
  await d.row("Hoří sklad po výpadku.").waitFor();
  await d.called(again);
});

test("a tab behind another one still rings", async (t) => {
  const tabs = await startTabs(demo.urls.hoyerswerda);
  t.after(() => tabs.close());
  const d = new Desk(tabs, "de");
  await d.signIn(demo.who("hoyerswerda", "dispatcher")[0]);
  await d.arm();
  await tabs.cover();
  assert.equal(await d.page.evaluate(() => document.visibilityState), "hidden");
  const before = await d.calls();

  const sender = new Desk(await openWindow(browser, demo.urls.liberec, "cs"), "cs");
  t.after(() => sender.context.close());
  await sender.signIn(demo.who("liberec", "dispatcher")[0]);
  await sender.handOver({ where: "Hrádek nad Nisou", what: "nehoda za oknem", issue: "Dvě auta.", injured: 1, to: /Hoyerswerda/ });
  await d.called(before);
  assert.match(await d.page.title(), /^\(\d+\) /);
  assert.equal(await d.page.locator("body").getAttribute("data-link"), "live");
  assert.equal(await d.page.evaluate(() => document.visibilityState), "hidden");
});
