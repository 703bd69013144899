// The gallery of page parts: every part in every state, in every look.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { openWindow, shot, startBrowser } from "./lib/browser.mjs";
import { startDemo, startNode } from "./lib/demo.mjs";
import { inspect } from "./lib/inspect.mjs";
import { languages, text } from "./lib/texts.mjs";

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

// In forced colours the browser takes ours away: what is told by colour must be told by
// a line or a shape that is still seen.
test("gallery in forced colours", async () => {
  const w = await openWindow(browser, node.url, "de");
  await w.page.emulateMedia({ forcedColors: "active" });
  await w.page.goto("/dev/ui?density=console&kind=exercise");
  await shot(w.page, "gallery-forced-colours");
  const { seen, lost } = await w.page.evaluate(() => {
    const shown = (e) => e.checkVisibility({ visibilityProperty: true }) && e.getBoundingClientRect().width > 0;
    const behind = (e) => { for (let p = e; p; p = p.parentElement) { const c = getComputedStyle(p).backgroundColor; if (!/, 0\)$|transparent/.test(c)) return c; } return getComputedStyle(document.documentElement).backgroundColor; };
    const lost = [];
    let seen = 0;
    for (const sign of document.querySelectorAll("svg")) {
      if (!shown(sign)) continue;
      seen++;
      const paper = behind(sign);
      const drawn = [...sign.querySelectorAll("path, circle, rect, polygon, line, polyline, use")].some((e) => {
        const s = getComputedStyle(e);
        return (s.stroke !== "none" && s.stroke !== paper) || (s.fill !== "none" && s.fill !== paper);
      });
      if (!drawn) lost.push(`a sign in "${sign.parentElement.textContent.trim().slice(0, 40)}" on ${paper}`);
    }
    for (const e of document.querySelectorAll(".button, .input, .tape, .receipt, .strip")) {
      if (!shown(e)) continue;
      seen++;
      const s = getComputedStyle(e);
      if (["Top", "Left", "Bottom"].every((side) => s[`border${side}Style`] === "none" || s[`border${side}Width`] === "0px")) lost.push(`no edge: ${e.className} "${e.textContent.trim().slice(0, 40)}"`);
    }
    return { seen, lost: [...new Set(lost)] };
  });
  assert.ok(seen > 100, `${seen} parts looked at`);
  assert.deepEqual(lost, []);
  await w.context.close();
});

// A sheet that lies alone on a table must say that it is none of a real incident.
for (const lang of languages) {
  for (const kind of ["exercise", "test", ""]) {
    test(`printed gallery ${lang} ${kind}`, async () => {
      const w = await openWindow(browser, node.url, lang);
      await w.page.goto(`/dev/ui?density=field&kind=${kind}`);
      const sheets = printed(await w.page.pdf({ preferCSSPageSize: true }));
      assert.ok(sheets.length > 2, `${sheets.length} sheets`);
      if (!kind) assert.ok(!sheets[0].includes(text(lang, "web.drill.exercise")));
      for (const [n, sheet] of kind ? sheets.entries() : []) {
        const head = sheet.trim().replaceAll(/\s+/g, " ").slice(0, 60);
        assert.ok(head.startsWith(text(lang, `web.drill.${kind}`)), `sheet ${n + 1} begins with "${head}"`);
      }
      await w.context.close();
    });
  }
}

// printed is the text of each sheet.
function printed(pdf) {
  return execFileSync("pdftotext", ["-layout", "-", "-"], { input: pdf, encoding: "utf8" }).split("\f").slice(0, -1);
}
