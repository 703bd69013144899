// inspect.mjs puts a page through everything that must hold for every page, and writes
// down that it did: routes.test.mjs looks for pages nobody inspected.
import assert from "node:assert/strict";
import { shot, sizes } from "./browser.mjs";
import * as check from "./checks.mjs";
import { note } from "./record.mjs";
import { languages } from "./texts.mjs";

// Half of a desk's screen is a zoom of 200 %; 320 px is one of 400 % (WCAG 1.4.10).
const narrow = { "200 %": { width: sizes.desk.width / 2, height: sizes.desk.height / 2 }, "400 %": { width: 320, height: 640 } };

/**
 * Judges the page that is open, in both themes and at all sizes. name is that of its
 * pictures; lang the language it is in. It leaves the page with its texts lengthened.
 * A page that was judged before, as another role has it, is seen briefly: in one theme at
 * a telephone and a desk.
 */
export async function inspect(page, name, lang, { briefly = false } = {}) {
  const wrong = new Map(); // what → where
  const judged = () => {
    note("pages", page.url());
    assert.equal(wrong.size, 0, `${page.url()} in ${lang}:\n${[...wrong].map(([what, where]) => `  ${what}  [${where.join(", ")}]`).join("\n")}`);
  };
  const find = (where, list) => { for (const what of list) wrong.set(what, [...(wrong.get(what) ?? []), where]); };
  assert.equal(await page.locator("html").getAttribute("lang"), lang, `${page.url()} is in another language`);
  for (const theme of briefly ? ["light"] : ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: theme });
    for (const [size, box] of Object.entries(sizes).filter(([size]) => !briefly || size !== "room")) {
      await page.setViewportSize(box);
      const where = `${size} ${theme}`;
      find(where, await check.overflow(page));
      find(where, await check.still(page));
      find(where, await check.targets(page));
      find(where, await check.legible(page, { far: size === "room" }));
      // Contrast is what a theme changes for axe, and the width what it shows.
      if (theme === "light" ? size !== "room" : size === "room") find(where, await check.axe(page));
      await shot(page, name, `${lang}-${size}-${theme}`);
    }
  }
  if (briefly) return judged();
  await page.emulateMedia({ colorScheme: "light" });
  for (const [zoom, box] of Object.entries(narrow)) {
    await page.setViewportSize(box);
    find(zoom, await check.overflow(page));
  }
  await page.setViewportSize(sizes.desk);
  for (const [how, change] of Object.entries({ spaced: check.space, "+40 %": check.lengthen })) {
    const undo = await change(page);
    for (const [size, box] of Object.entries(sizes)) {
      await page.setViewportSize(box);
      find(`${size} ${how}`, await check.overflow(page));
    }
    await undo?.();
  }
  await page.setViewportSize(sizes.desk);
  judged();
}

/**
 * Inspects the page a person is at in all languages, without leaving it. Each is a test
 * below t, so that what is wrong with a page does not end what people do with it.
 */
export async function inspectAll(t, desk, name) {
  const { pathname, searchParams } = new URL(desk.page.url());
  const show = async (lang) => {
    searchParams.set("lang", lang);
    await desk.page.goto(`${pathname}?${searchParams}`);
  };
  for (const lang of languages) {
    await show(lang);
    await t.test(`${name} ${lang}`, () => inspect(desk.page, name, lang));
  }
  await show(desk.lang);
}
