import { mkdirSync } from "node:fs";
import { openWindow, startBrowser, sizes, drawsMaps } from "./lib/browser.mjs";
import { startDemo } from "./lib/demo.mjs";
import { Desk } from "./lib/pages.mjs";
const demo = await startDemo();
const browser = await startBrowser();
const out = "/tmp/tm/shots"; mkdirSync(out, { recursive: true });
const jobs = JSON.parse(process.env.JOBS); // [name, place, role, lang, size, scheme, path]
const open = new Map();
for (const [name, place, role, lang, size, scheme, path] of jobs) {
  const key = [place, role, lang, size, scheme].join();
  if (!open.has(key)) {
    const d = new Desk(await openWindow(browser, demo.urls[place], lang, { viewport: sizes[size], colorScheme: scheme }), lang);
    if (role) await d.signIn(demo.who(place, role)[0]);
    open.set(key, d);
  }
  const d = open.get(key);
  try {
    if (role) await d.go(path); else await d.page.goto(path);
    await d.page.waitForTimeout(600);
    await d.page.screenshot({ path: `${out}/${name}-${lang}-${size}-${scheme}.png`, fullPage: size !== "room" });
    const wide = await d.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    console.log(name, lang, size, scheme, wide > 0 ? `OVERFLOW ${wide}` : "ok", d.faults.splice(0).join(" | "));
  } catch (e) { console.log(name, lang, size, scheme, "FAILED", e.message.split("\n")[0]); }
}
await browser.close();
