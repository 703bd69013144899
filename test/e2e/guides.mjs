// guides.mjs makes the pictures of the user guides from a running demo, in all four
// languages: what docs/guide/pictures.json lists becomes docs/guide/img/NAME-LANG.png.
//
//   node test/e2e/guides.mjs FILE [FOLDER]
//
// FILE is what a `trojmezi demo` just started has printed. With FOLDER the pictures go
// there instead, as they are taken.
//
// "state" names what is brought about before the pictures of it are made, in the order
// below; "see" are keys of the texts that must stand on the page. {incident} and
// {handover} in a path are those of that state.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { openWindow } from "./lib/browser.mjs";
import { Desk } from "./lib/pages.mjs";
import { root } from "./lib/texts.mjs";

const langs = ["cs", "de", "pl", "en"];
const LARGE = 120_000; // bytes; a guide's pictures are read over slow lines too
const COLOURS = 128; // of a picture made small by ImageMagick; screens have few
const DUE = 240_000; // ms; whom nobody answers is to be called after 180 s

const guide = join(root, "docs", "guide");
const elsewhere = process.argv[3];
const img = elsewhere ?? join(guide, "img");
const pictures = JSON.parse(readFileSync(join(guide, "pictures.json"), "utf8"));
const people = readFileSync(process.argv[2], "utf8").split("\n").filter((l) => l.startsWith("demo ")).map((l) => {
  const [, place, url, role, login, password] = l.split(" ");
  return { place, url, role, login, password };
});

// Sound runs without a press here: each picture is of a page just opened.
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"],
});
const desks = new Map();

async function desk(place, role) {
  const known = desks.get(`${place} ${role}`);
  if (known) return known;
  const who = people.find((p) => p.place === place && p.role === role);
  const d = new Desk(await openWindow(browser, who.url, "en", {}), "en");
  await d.signIn(who);
  desks.set(`${place} ${role}`, d);
  return d;
}

// The account's language, not one in the address: the live parts of a page follow it.
async function speak(d, lang) {
  await d.page.goto("/me");
  await d.speak(lang);
}

// What happens before the pictures of a state; each answers what it is about.
const states = {
  // The desk as it is found: the sound tested, nothing rings.
  async quiet() {
    const d = await desk("liberec", "dispatcher");
    await d.go("/console");
    await d.button("web.sound.test").click();
  },
  async incoming() {
    const from = await desk("zgorzelec", "dispatcher");
    await speak(from, "pl");
    await from.handOver({ where: "Hrádek nad Nisou", what: "wypadek drogowy", issue: "Dwa samochody, wyciek paliwa", injured: 2, to: /Liberec/ });
    const d = await desk("liberec", "dispatcher");
    await d.go("/console");
    await d.row("Dwa samochody").click();
    const accept = new URL(await d.link("console.p.do.accept").getAttribute("href"), d.page.url());
    return { incident: accept.pathname.split("/").at(-2), handover: accept.searchParams.get("handover") };
  },
  // Also ends the ringing of the state before.
  async handed_over({ incoming }) {
    const d = await desk("liberec", "dispatcher");
    await speak(d, "cs");
    await d.go(`/console/incidents/${incoming.incident}`);
    await d.accept();
    const address = await d.handOver({ where: "Zittau", what: "požár lesa", issue: "Požár lesa u hranice", injured: 0, to: /Hoyerswerda/ });
    await d.receipt("delivered");
    return { incident: address.split("/").at(-1) };
  },
  async telephone({ handed_over }) {
    const d = await desk("liberec", "dispatcher");
    await d.go("/console");
    await d.page.locator("#alarms").getByText(d.text("console.d.cause.telephone")).first().waitFor({ timeout: DUE });
    return handed_over;
  },
};

mkdirSync(img, { recursive: true });
const incidents = {};
let wrong = 0;
try {
  for (const [state, reach] of Object.entries(states)) {
    incidents[state] = await reach(incidents);
    for (const p of pictures.filter((x) => x.state === state)) {
      const d = await desk(p.place, p.role);
      await d.page.setViewportSize({ width: p.width, height: p.height });
      for (const lang of langs) {
        await speak(d, lang);
        await d.page.goto(p.path.replace(/\{(\w+)\}/g, (_, what) => incidents[state][what]));
        for (const key of p.see) await d.page.getByText(d.like(key)).filter({ visible: true }).first().waitFor();
        const file = join(img, `${p.name}-${lang}.png`);
        await d.page.screenshot({ path: file, animations: "disabled" });
        if (elsewhere) continue;
        spawnSync("convert", [file, "+dither", "-colors", String(COLOURS), "-strip", `png8:${file}`]); // not installed: it stays large and is named
        const size = statSync(file).size;
        if (size > LARGE) { wrong++; console.error(`${file}: ${size} bytes`); }
      }
      console.log(p.name);
    }
  }
  for (const d of desks.values()) for (const f of d.faults) { wrong++; console.error(f); }
} finally {
  await browser.close();
}
process.exitCode = wrong ? 1 : 0;
