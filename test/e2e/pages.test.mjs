// Every page, for every role that may see it: the first role that reaches a page sees it
// in four languages, the others in one and briefly.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openWindow, startBrowser } from "./lib/browser.mjs";
import { startDemo } from "./lib/demo.mjs";
import { inspect, inspectAll } from "./lib/inspect.mjs";
import { Desk } from "./lib/pages.mjs";
import { note } from "./lib/record.mjs";
import { ask, pathOf, patternOf, routes } from "./lib/routes.mjs";
import { languages } from "./lib/texts.mjs";

const place = "liberec";
const roles = process.env.E2E_ROLES?.split(",") ?? ["dispatcher", "shift_leader", "technician", "administrator", "auditor"];

let demo;
let browser;
let stopped;
before(async () => { browser = await startBrowser(); demo = await startDemo(); });
after(async () => {
  if (stopped) process.kill(stopped, "SIGCONT");
  await Promise.all([demo?.end(), browser?.close()]);
});

// prepare makes incidents in every state that has pages of its own: one that rings, one
// that was accepted, a request for resources, and one that cannot be delivered.
test("prepare", async (t) => {
  const desk = async (at, lang) => {
    const d = new Desk(await openWindow(browser, demo.urls[at], lang), lang);
    t.after(() => d.context.close());
    await d.signIn(demo.who(at, "dispatcher")[0]);
    return d;
  };
  const [here, there, third] = [await desk(place, "cs"), await desk("hoyerswerda", "de"), await desk("zgorzelec", "pl")];
  await here.go("/console");
  const accident = { where: "50.8655 14.8286", what: "Verkehrsunfall", injured: 2, to: /Liberec/ };
  await there.handOver({ ...accident, issue: "Angenommen." });
  await here.row("Angenommen.").waitFor();
  await here.open();
  await here.accept();
  await here.see("console.d.state.accepted");
  await there.resources({ want: "Hubschrauber", to: /Liberec/ });
  await third.handOver({ ...accident, issue: "Dzwoni." });
  stopped = demo.node("zgorzelec");
  process.kill(stopped, "SIGSTOP"); // nothing reaches it any more
  await here.handOver({ ...accident, issue: "Nedoručeno.", to: /Zgorzelec/ });
});

const all = routes();
const known = new Set(); // patterns that were seen in all languages

test("stranger", async (t) => {
  await walk(t, "stranger", undefined, all.filter((r) => r.who === "public" && r.pattern !== "/dev/ui"));
});

for (const role of roles) {
  test(role, async (t) => {
    await walk(t, role, demo.who(place, role)[0], all.filter((r) => r.pattern !== "/{$}"));
  });
}

// walk opens all pages of a role: those with an address of their own, and those that
// links on other pages lead to.
async function walk(t, role, person, list) {
  const url = demo.urls[place];
  const one = languages[roles.indexOf(role) + 1] ?? "en"; // the language of what others have shown before
  const w = await openWindow(browser, url, one);
  t.after(() => w.context.close());
  if (person) await new Desk(w, one).signIn(person);
  const done = new Set();
  const peeked = new Map(); // pattern → how many more of its pages were searched for links
  const links = () => w.page.evaluate(() => [...document.querySelectorAll("a[href]")].map((a) => a.getAttribute("href")).filter((h) => h.startsWith("/")));
  const statics = [...list.map((r) => pathOf(r.pattern)).filter(Boolean), ...(person ? [] : unlinked)];
  const seen = new Set();
  for (const pass of [1, 2]) { // alarms come with time: what was not there at first may be now
    if (pass === 2) seen.clear();
    const todo = [...statics];
    while (todo.length > 0) {
      const path = todo.shift();
      const pattern = patternOf(list, new URL(path, url).pathname);
      if (!pattern || seen.has(path)) continue;
      seen.add(path);
      if (done.has(pattern)) {
        const n = peeked.get(pattern) ?? 0;
        if (n >= PEEK) continue;
        peeked.set(pattern, n + 1);
      }
      const answer = await ask(w.context, url, path);
      if (answer.status !== 200) continue; // not this role's, or only a way
      if (!answer.page) {
        note("others", new URL(path, url).href);
        continue;
      }
      if (!done.has(pattern)) {
        done.add(pattern);
        await look(t, w, role, path, pattern, one);
      } else {
        await w.page.goto(path);
      }
      todo.push(...await links());
    }
  }
}

// Pages for everybody that no page leads to: without a language in the address, and of exercises.
const unlinked = ["/public/place/CZ-564028", "/public/exercise/CZ-564028", "/public/exercise/CZ-564028/cs"];

const PEEK = 12; // incidents of one list that are searched for more pages

async function look(t, w, role, path, pattern, one) {
  const first = !known.has(pattern);
  known.add(pattern);
  for (const lang of first ? languages : [one]) {
    await t.test(`${pattern} ${lang}`, async () => {
      w.faults.length = 0;
      await w.page.goto(`${path}${path.includes("?") ? "&" : "?"}lang=${lang}`);
      await inspect(w.page, `${role}${pattern.replaceAll(/[/{}$]+/g, "-").replace(/-$/, "") || "-start"}`, lang, { briefly: !first });
      assert.deepEqual(w.faults, []);
    });
  }
}

test("what a neighbour will see", async (t) => {
  const d = new Desk(await openWindow(browser, demo.urls[place], "cs"), "cs");
  t.after(() => d.context.close());
  await d.signIn(demo.who(place, "dispatcher")[0]);
  await d.write({ where: "50.8655 14.8286", what: "dopravní nehoda", issue: "Dvě auta.", injured: 2, to: /Hoyerswerda/ });
  await d.button("console.p.do.preview").click();
  await d.page.waitForURL(/\/console\/handover\/preview/);
  await inspectAll(t, d, "preview");
  assert.deepEqual(d.faults, []);
});

// What comes of a pasted message is in an answer, which has no address of its own.
test("a message converted and judged", async (t) => {
  const d = new Desk(await openWindow(browser, demo.urls[place], "cs"), "cs");
  t.after(() => d.context.close());
  await d.signIn(demo.who(place, "technician")[0]);
  const message = `<emsi xmlns="urn:emergency:eda:1.9:emsi">
  <CONTEXT><ID>1</ID><MODE>EXERCS</MODE><MSGTYPE>ALERT</MSGTYPE></CONTEXT>
  <EVENT><ID>e-1</ID><NAME>Brand</NAME><SCALE>7</SCALE></EVENT>
</emsi>`;
  for (const lang of languages) {
    for (const what of ["convert", "validate"]) {
      await d.page.goto("/convert");
      await d.speak(lang);
      await d.field("bridge.message").fill(message);
      await d.button(`bridge.${what}`).click();
      await d.page.locator(".lines").first().waitFor();
      await t.test(`${what} ${lang}`, () => inspect(d.page, `bridge-${what}`, lang));
    }
  }
  assert.deepEqual(d.faults, []);
});

for (const lang of languages) {
  test(`a page that does not exist ${lang}`, async () => {
    const w = await openWindow(browser, demo.urls[place], lang);
    const answer = await w.page.goto(`/nowhere?lang=${lang}`);
    assert.equal(answer.status(), 404);
    await inspect(w.page, "not-found", lang);
    await w.context.close();
  });
}
