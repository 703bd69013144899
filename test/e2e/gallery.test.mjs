// The gallery of page parts: every part in every state, in every look.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openWindow, startBrowser } from "./lib/browser.mjs";
import { startDemo, startNode } from "./lib/demo.mjs";
import { inspect } from "./lib/inspect.mjs";
import { languages } from "./lib/texts.mjs";

let demo;
let node;
let browser;
before(async () => {
  browser = await startBrowser();
  demo = await startDemo();
  node = await startNode(demo, "liberec"); // the gallery is not on nodes at work
});
after(async () => { await node?.end(); await Promise.all([demo?.end(), browser?.close()]); });

for (const lang of languages) {
  for (const look of ["", "density=console", "density=field&kind=exercise", "density=public&kind=test&strip=line"]) {
    test(`gallery ${lang} ${look}`, async () => {
      const w = await openWindow(browser, node.url, lang);
      await w.page.goto(`/dev/ui?${look}`);
      await inspect(w.page, `gallery-${look.replaceAll(/[=&]/g, "-") || "desk"}`, lang);
      assert.deepEqual(w.faults, []);
      await w.context.close();
    });
  }
}
