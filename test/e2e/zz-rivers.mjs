import { startBrowser, openWindow } from "./lib/browser.mjs";
const url = process.argv[2], paths = process.argv.slice(3);
const b = await startBrowser();
for (const [w, h, scheme, lang] of [[390, 844, "light", "cs"], [390, 844, "dark", "en"], [1280, 900, "light", "en"], [1280, 900, "dark", "cs"]]) {
  const { context, faults, page } = await openWindow(b, url, lang, { viewport: { width: w, height: h }, colorScheme: scheme });
  for (const p of paths) {
    await page.goto(p);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    const wide = await page.evaluate(() => [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 5).map((e) => e.tagName + "." + e.className));
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    const name = p.replace(/[^a-z0-9]+/gi, "_") + `_${w}_${scheme}_${lang}`;
    await page.screenshot({ path: `/tmp/tm/rivers-shots/${name}.png`, fullPage: true, clip: { x: 0, y: 0, width: w, height: Math.min(height, w < 500 ? 5200 : 2600) } });
    console.log(name, "over", over, wide.join(" "), "height", height, faults.join("; "));
  }
  await context.close();
}
await b.close();
