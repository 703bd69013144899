// Without JavaScript: signing in, a queue that refreshes itself, an accepted incident.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openWindow, shot, startBrowser } from "./lib/browser.mjs";
import { startDemo } from "./lib/demo.mjs";
import { Desk } from "./lib/pages.mjs";
import { languages } from "./lib/texts.mjs";

let demo;
let browser;
before(async () => { browser = await startBrowser(); demo = await startDemo(); });
after(async () => { await Promise.all([demo?.end(), browser?.close()]); });

async function desk(t, place, lang, options) {
  const d = new Desk(await openWindow(browser, demo.urls[place], lang, options), lang);
  t.after(() => d.context.close());
  await d.signIn(demo.who(place, "dispatcher")[0]);
  return d;
}

for (const lang of languages) {
  test(`without scripts ${lang}`, async (t) => {
    const receiver = await desk(t, "hoyerswerda", lang, { javaScriptEnabled: false });
    const sender = await desk(t, "liberec", "en", { javaScriptEnabled: false });
    const issue = `Two hectares (${lang}).`;
    await receiver.go("/console");

    // Also a hand-over is written without scripts.
    await sender.handOver({ where: "50.8655 14.8286", what: "forest fire", issue, injured: 0, to: /Hoyerswerda/ });

    // Nobody presses anything: the page asks again every 5 s.
    await receiver.row(issue).waitFor({ timeout: 15_000 });
    await receiver.page.locator("#alarms").getByText(receiver.text("console.d.cause.incoming")).waitFor();
    assert.match(await receiver.page.title(), /^\(\d+\) /);
    await shot(receiver.page, "noscript", `${lang}-rings`);

    await receiver.open();
    await receiver.accept();
    await receiver.see("console.d.state.accepted");
    await sender.receipt("accepted");
    assert.deepEqual([...sender.faults, ...receiver.faults], []);
  });
}
