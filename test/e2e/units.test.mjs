// Units across the border: one room enters and shows them, the other sees the nearest on
// an incident, asks for one with two keys and follows it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openWindow, startBrowser } from "./lib/browser.mjs";
import { startDemo } from "./lib/demo.mjs";
import { inspectAll } from "./lib/inspect.mjs";
import { Desk } from "./lib/pages.mjs";

let demo;
let browser;
before(async () => { browser = await startBrowser(); demo = await startDemo(); });
after(async () => { await Promise.all([demo?.end(), browser?.close()]); });

async function desk(t, place, role, lang) {
  const d = new Desk(await openWindow(browser, demo.urls[place], lang), lang);
  t.after(() => d.context.close());
  await d.signIn(demo.who(place, role)[0]);
  return d;
}

// until asks for the page again until a text is on it.
async function until(d, path, words) {
  for (let n = 0; n < 30; n++) {
    await d.go(path);
    if (await d.page.getByText(words).count() > 0) return;
    await d.page.waitForTimeout(1000);
  }
  assert.fail(`${words} is not on ${path}`);
}

test("units across the border", async (t) => {
  const leader = await desk(t, "hoyerswerda", "shift_leader", "de");
  const here = await desk(t, "liberec", "dispatcher", "cs");

  await leader.go("/units");
  await inspectAll(t, leader, "units-empty");
  for (const page of ["types", "new", "import"]) {
    await leader.go(`/units/${page}`);
    await inspectAll(t, leader, `units-${page}`);
  }
  await leader.go("/units/import");
  await leader.page.locator("#file").setInputFiles({ name: "units.csv", mimeType: "text/csv", buffer: Buffer.from([
    "call_sign,type,station,station_lat,station_lon,status,ready_min,crew,skills",
    "Florian Zittau 33,F-LADDER,Zittau,50.8977,14.8076,free,2,3,",
    "Florian Zittau 44,F-PUMP,Zittau,50.8977,14.8086,at_scene,2,9,Rettungssatz",
    "Rotkreuz Görlitz 83,M-AMBULANCE,Görlitz,51.1526,14.9888,free,1,2,",
  ].join("\n")) });
  await leader.button("unit.import.do").click();
  await leader.see("unit.import.done", { added: 3, changed: 0 });

  await leader.go("/units/publish");
  await inspectAll(t, leader, "units-publish-list");
  await leader.page.getByRole("link", { name: /Liberec/ }).first().click();
  const row = leader.page.locator("tbody tr").first();
  await row.locator("select").first().selectOption("yes");
  for (const box of await row.locator("input[type=checkbox]").all()) await box.check();
  await row.locator("select").nth(1).selectOption("exact");
  await leader.button("unit.publish.preview").click();
  await leader.see("unit.publish.unsaved");
  await leader.button("unit.save").click();
  await inspectAll(t, leader, "units-publish");

  await here.go("/units/neighbours");
  await inspectAll(t, here, "units-neighbours-empty");
  await here.page.getByRole("row", { name: /Hoyerswerda/ }).getByRole("button").click();
  await until(here, "/units/neighbours", "Florian Zittau 33");
  await inspectAll(t, here, "units-neighbours");

  const path = await here.handOver({ where: "50.8528 14.8446", what: "Požár", issue: "Hoří střecha.", injured: 2, to: /Hoyerswerda/ });
  await until(here, path, "Florian Zittau 33");
  await inspectAll(t, here, "units-incident");
  await here.page.locator("#do-units").waitFor();
  await here.page.waitForLoadState();
  await here.page.keyboard.press("i");
  await here.page.waitForURL(/\/units$/);
  await here.see("unit.near.lead");
  await inspectAll(t, here, "units-ask");
  // A ladder and an ambulance both suit a fire: the nearer one is first.
  assert.match(await here.page.locator("ol.resources > li").first().textContent(), /Florian Zittau 33/);
  await here.page.keyboard.press("1");
  await here.page.waitForURL(new RegExp(`${path}$`));
  await here.see("unit.near.asked");

  // There its status changes with one key; here it is seen without a press.
  await leader.go("/units");
  await inspectAll(t, leader, "units");
  await leader.page.getByRole("link", { name: "Florian Zittau 33" }).click();
  await leader.page.waitForURL(/\/units\/unit\//);
  await leader.page.waitForLoadState();
  const unit = new URL(leader.page.url()).pathname;
  await leader.page.keyboard.press("3");
  await leader.page.locator("#status-on_the_way.button-primary").waitFor();
  await inspectAll(t, leader, "unit");
  await here.page.locator("#incident").getByText(here.text("unit.status.on_the_way")).first().waitFor({ timeout: 20_000 });

  for (const [way, name] of [["/edit", "unit-edit"], ["/remove", "unit-remove"]]) {
    await leader.go(unit + way);
    await inspectAll(t, leader, name);
  }
  assert.deepEqual([...here.faults, ...leader.faults], []);
});
