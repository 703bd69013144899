// The checks themselves: each finds what it is there for.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startBrowser } from "./lib/browser.mjs";
import * as check from "./lib/checks.mjs";

let browser;
let page;
before(async () => { browser = await startBrowser(); page = await browser.newPage({ viewport: { width: 1920, height: 1080 } }); });
after(async () => { await browser?.close(); });

const good = `<html lang="en" data-density="console"><title>T</title><body style="margin:0"><main><h1>Title</h1>
  <div class="strip-text"><h2 style="font-size:51px">Telephone now</h2></div><button style="min-height:40px;font:inherit">Press me</button></main>`;

async function judge(html, with_ = { width: 1920, height: 1080 }) {
  await page.setViewportSize(with_);
  await page.setContent(html);
  return { overflow: await check.overflow(page), still: await check.still(page), legible: await check.legible(page, { far: true }), targets: await check.targets(page), axe: await check.axe(page) };
}

test("a good page", async () => {
  assert.deepEqual(await judge(good), { overflow: [], still: [], legible: [], targets: [], axe: [] });
});

for (const [what, part, where, finding] of [
  ["wider than the page", `<p style="width:3000px">wide</p>`, "overflow", /page scrolls sideways/],
  ["text cut at its side", `<p style="width:40px;overflow:hidden;white-space:nowrap">a long text in a small box</p>`, "overflow", /cut at its side/],
  ["text cut below", `<p style="width:40px;height:20px;overflow:hidden">a long text in a small box</p>`, "overflow", /cut below/],
  ["a box that scrolls out of reach of the keyboard", `<div style="width:40px;overflow:auto"><p style="width:400px">x</p></div>`, "overflow", /scrolls sideways/],
  ["a page that does not scroll", `<style>body{height:100vh;overflow:hidden}</style><div style="height:2000px">x</div>`, "overflow", /below the edge/],
  ["a console page out of sight", `<div style="height:2000px">x</div>`, "still", /the page scrolls/],
  ["pale text", `<p style="color:#999;background:#fff">pale</p>`, "legible", /contrast 2\.8/],
  ["pale text on two grounds", `<div style="background:#000"><p style="color:#555;background:#ffffff10">pale</p></div>`, "legible", /contrast/],
  ["text on a pattern", `<p style="background:linear-gradient(#fff,#000)">x</p>`, "legible", /pattern/],
  ["small text", `<p style="font-size:12px">small</p>`, "legible", /12 px/],
  ["a headline too small for two metres", `<div class="strip-text"><h2 style="font-size:50px">now</h2></div>`, "legible", /two metres/],
  ["a telephone number too pale for two metres", `<p class="strip-phone" style="font-size:51px;color:#666">112</p>`, "legible", /< 7/],
  ["a small button", `<button style="height:20px;font:inherit">x</button>`, "targets", /wants 32/],
  ["a field without a name", `<input style="height:40px">`, "axe", /label/],
]) {
  test(what, async () => {
    const found = await judge(good + part);
    assert.ok(found[where].some((f) => finding.test(f)), `${where} says ${JSON.stringify(found[where])}`);
  });
}

test("longer texts", async () => {
  await page.setContent(`<p>Telephone now: 112, a box</p>`);
  await check.lengthen(page);
  assert.equal(await page.locator("p").textContent(), "Telephonetele nowno: 112, a boxbo");
});

test("wider texts", async () => {
  await page.setContent(`<p>x</p>`);
  const undo = await check.space(page);
  const spacing = () => page.evaluate(() => getComputedStyle(document.querySelector("p")).wordSpacing);
  assert.notEqual(await spacing(), "0px");
  await undo();
  assert.equal(await spacing(), "0px");
});
