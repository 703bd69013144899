import { mkdirSync } from "node:fs";
import { openWindow, startBrowser, sizes } from "./lib/browser.mjs";
const browser = await startBrowser();
const out = "/tmp/tm/shots";
for (const [name, lang, size, scheme, path] of JSON.parse(process.env.JOBS)) {
  const w = await openWindow(browser, "http://127.0.0.1:8104", lang, { viewport: sizes[size], colorScheme: scheme });
  await w.page.goto(path + (path.includes("?") ? "&" : "?") + "lang=" + lang);
  await w.page.waitForTimeout(1500);
  await w.page.screenshot({ path: `${out}/${name}-${lang}-${size}-${scheme}.png`, fullPage: size !== "room" });
  console.log(name, lang, size, w.page.url(), await w.page.evaluate(() => document.documentElement.scrollWidth - innerWidth), w.faults.join("|"));
  await w.context.close();
}
await browser.close();
