// checks.mjs judges the page that is open. Each check returns sentences about what is
// wrong; an empty list is good. The functions given to page.evaluate run in the page.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** What axe-core finds against WCAG 2.2 A and AA. */
export async function axe(page, only) {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(axeSource);
  const found = await page.evaluate(async (run) => (await globalThis.axe.run(document, run)).violations.map((v) =>
    `${v.impact} ${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${(n.any[0] ?? n.all[0] ?? n.none[0])?.message ?? ""}`).join(" | ")}`),
  { runOnly: only ? { type: "rule", values: only } : { type: "tag", values: rules }, resultTypes: ["violations"] });
  return found;
}

/** What sticks out of the page or is cut off in it. */
export async function overflow(page) {
  return page.evaluate(() => {
    const wrong = [];
    const name = (e) => `${e.tagName.toLowerCase()}${e.id ? `#${e.id}` : ""}${typeof e.className === "string" && e.className ? `.${e.className.trim().replace(/\s+/g, ".")}` : ""} "${(e.textContent ?? "").trim().replace(/\s+/g, " ").slice(0, 40)}"`;
    const page = document.documentElement;
    const wide = page.clientWidth;
    if (page.scrollWidth > wide) wrong.push(`the page scrolls sideways: ${page.scrollWidth} > ${wide}`);
    // Read out but not seen: clipped on purpose.
    const unseen = (e) => { const s = getComputedStyle(e); return s.clipPath !== "none" && s.position === "absolute"; };
    for (const e of document.body.querySelectorAll("*")) {
      if (e.closest("svg") && e.tagName !== "svg") continue;
      if (e.closest(".maplibregl-map")) continue; // a map is cut at its edges
      const box = e.getBoundingClientRect();
      if (box.width === 0 || box.height === 0 || !e.checkVisibility({ visibilityProperty: true })) continue;
      let scrolls = false;
      let hidden = false;
      for (let p = e; p && p !== document.body; p = p.parentElement) {
        if (unseen(p)) hidden = true;
        if (p !== e && /auto|scroll/.test(getComputedStyle(p).overflowX)) scrolls = true;
      }
      if (hidden) continue;
      if (!scrolls && (box.right > wide + 1 || box.left < -1)) wrong.push(`sticks out: ${name(e)} ${Math.round(box.left)}–${Math.round(box.right)} of ${wide}`);
      const s = getComputedStyle(e);
      if (e.matches("input, textarea, select")) continue; // scroll by themselves
      if (e.clientWidth > 0 && /hidden|clip/.test(s.overflowX) && e.scrollWidth > e.clientWidth + 1) wrong.push(`cut at its side: ${name(e)} ${e.scrollWidth} > ${e.clientWidth}`);
      // A box may scroll sideways if the keyboard reaches it, as wide tables do.
      if (/auto|scroll/.test(s.overflowX) && e.scrollWidth > e.clientWidth + 1 && e.tabIndex < 0) wrong.push(`scrolls sideways: ${name(e)} ${e.scrollWidth} > ${e.clientWidth}`);
      if (e.clientHeight > 0 && /hidden|clip/.test(s.overflowY) && e.scrollHeight > e.clientHeight + 1) wrong.push(`cut below: ${name(e)} ${e.scrollHeight} > ${e.clientHeight}`);
      if (e.matches("button, .button, summary") && e.scrollWidth > e.clientWidth + 1 && s.display !== "inline") wrong.push(`text wider than its button: ${name(e)}`);
    }
    const body = getComputedStyle(document.body);
    if (/hidden|clip/.test(body.overflowY)) {
      for (const e of document.body.children) {
        if (unseen(e) || !e.checkVisibility()) continue;
        if (e.getBoundingClientRect().bottom > innerHeight + 1) wrong.push(`below the edge of a page that does not scroll: ${name(e)}`);
      }
    }
    return wrong.slice(0, 8);
  });
}

/** A page of the console that scrolls as a whole where it has room: its foot is out of sight. */
export async function still(page) {
  return page.evaluate(() => {
    const page = document.documentElement;
    if (page.dataset.density !== "console" || innerWidth < 1100 || innerHeight < 600) return [];
    return page.scrollHeight > innerHeight + 1 ? [`the page scrolls: ${page.scrollHeight} > ${innerHeight}`] : [];
  });
}

/** Lengthens every word by 40 %, as a language might. Numbers stay. */
export async function lengthen(page) {
  await page.evaluate(() => {
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const node = walk.currentNode;
      if (node.parentElement.closest("script, style, code, time, .number")) continue;
      node.data = node.data.replace(/\p{L}{2,}/gu, (w) => w + w.toLowerCase().slice(0, Math.ceil(w.length * 0.4)));
    }
  });
}

/** Sets text as widely as readers may (WCAG 1.4.12). Returns what undoes it. */
export async function space(page) {
  await page.evaluate(() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important } p { margin-bottom: 2em !important }");
    document.adoptedStyleSheets = [sheet];
  });
  return () => page.evaluate(() => { document.adoptedStyleSheets = []; });
}

/**
 * Sizes and contrast of all text, from the computed styles: nothing below 14 px or 4.5 : 1;
 * what must be read from two metres (alarm headline, its telephone number) at 1920 × 1080
 * at least 51 px and 7 : 1. Colours lie over each other as the browser paints them.
 */
export async function legible(page, { far = false } = {}) {
  return page.evaluate((far) => {
    const wrong = new Map();
    const name = (e) => `${e.tagName.toLowerCase()}${e.id ? `#${e.id}` : ""}${typeof e.className === "string" && e.className ? `.${e.className.trim().replace(/\s+/g, ".")}` : ""}`;
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const known = new Map();
    // rgba reads any colour the browser can compute, also color-mix() and oklch().
    const rgba = (colour) => {
      if (!known.has(colour)) {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        known.set(colour, [r, g, b, a / 255]);
      }
      return known.get(colour);
    };
    const over = ([r, g, b, a], under) => [r, g, b].map((v, i) => v * a + under[i] * (1 - a));
    const ground = (e) => {
      const layers = [];
      for (let p = e; p; p = p.parentElement) {
        const s = getComputedStyle(p);
        const colour = rgba(s.backgroundColor);
        if (s.backgroundImage !== "none") return undefined; // a pattern: what lies on it has a ground of its own
        layers.push(colour);
        if (colour[3] === 1) break;
      }
      const base = rgba("Canvas");
      return layers.reverse().reduce((under, layer) => over(layer, under), base.slice(0, 3));
    };
    const luminance = (c) => c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ratio = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((m, n) => n - m); return (x + 0.05) / (y + 0.05); };

    const density = document.documentElement.dataset.density;
    const room = far && density !== "field" && density !== "public"; // those are read in the hand
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let read = 0;
    while (walk.nextNode()) {
      const e = walk.currentNode.parentElement;
      if (!walk.currentNode.data.trim() || e.closest("script, style, noscript, option") || !e.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
      const box = e.getBoundingClientRect();
      if (box.width <= 1 || box.height <= 1 || e.closest(".skip, .hidden")) continue;
      const s = getComputedStyle(e);
      const svg = e.closest("svg");
      const size = parseFloat(s.fontSize);
      read++;
      if (size < 14 && !svg) wrong.set(`${name(e)}: ${size} px`, 1);
      if (svg) continue; // charts and maps: their colours are in the test of the tokens
      const under = ground(e);
      if (!under) { wrong.set(`${name(e)}: text on a pattern`, 1); continue; }
      const have = ratio(over(rgba(s.color), under), under);
      const distant = e.closest(".strip-text h2, .strip-phone");
      const want = room && distant ? 7 : 4.5;
      if (have < want - 0.005) wrong.set(`${name(e)} "${walk.currentNode.data.trim().slice(0, 30)}": contrast ${have.toFixed(2)} < ${want}`, 1);
      if (room && distant && size < 51) wrong.set(`${name(e)}: ${size} px, not readable from two metres`, 1);
    }
    if (read === 0) wrong.set("the page has no text", 1);
    return [...wrong.keys()].slice(0, 8);
  }, far);
}

/** Operable elements that are too small: 24 px, in the console 32, in the field 64. */
export async function targets(page) {
  return page.evaluate(() => {
    const want = { console: 32, field: 64 }[document.documentElement.dataset.density] ?? 24;
    const wrong = [];
    for (const e of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")) {
      if (!e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || e.closest(".skip, .hidden")) continue;
      const s = getComputedStyle(e);
      if (s.clipPath !== "none") continue;
      if (e.tagName === "A" && s.display === "inline") continue; // within a sentence
      // A press on the label counts, so label and control are one target.
      const parts = [e, ...(e.labels ?? [])].map((p) => p.getBoundingClientRect());
      const side = (pick, edge) => pick(...parts.map((p) => p[edge]));
      const box = { width: side(Math.max, "right") - side(Math.min, "left"), height: side(Math.max, "bottom") - side(Math.min, "top") };
      if (box.width === 0) continue;
      if (Math.round(box.height) < want || Math.round(box.width) < 24) wrong.push(`${e.tagName.toLowerCase()} "${(e.textContent || e.name || e.ariaLabel || "").trim().slice(0, 30)}": ${Math.round(box.width)} × ${Math.round(box.height)}, wants ${want}`);
    }
    return [...new Set(wrong)].slice(0, 8);
  });
}
