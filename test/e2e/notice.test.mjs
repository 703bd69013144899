// Own warnings by two people: from "dam break" to published in four languages in at most
// twelve presses and a minute, once by mouse with the second person at a phone, once by
// keyboard alone; every page is looked at in all languages.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openWindow, sizes, startBrowser } from "./lib/browser.mjs";
import { startDemo } from "./lib/demo.mjs";
import { inspectAll } from "./lib/inspect.mjs";
import { Desk } from "./lib/pages.mjs";
import { note } from "./lib/record.mjs";
import { languages } from "./lib/texts.mjs";

const PRESSES = 12;
const TIME = 60_000; // ms
// Each test has a language of those that are asked for.
const language = (n) => languages[n % languages.length];

let demo;
let browser;
before(async () => { browser = await startBrowser(); demo = await startDemo(); });
after(async () => { await Promise.all([demo?.end(), browser?.close()]); });

async function desk(t, role, lang, options) {
  const d = new Desk(await openWindow(browser, demo.urls.liberec, lang, options), lang);
  t.after(() => d.context.close());
  await d.signIn(demo.who("liberec", role)[0]);
  return d;
}

// facts are what only the author can know; all else is filled in already.
const facts = { v_dam: "Niedów", v_river: "Smědá", v_meeting: "škola", v_phone: "+420 482 000 000" };

test("dam break to published by mouse, the second person at a phone", async (t) => {
  const author = await desk(t, "dispatcher", language(0));
  const leader = await desk(t, "shift_leader", language(0), { viewport: sizes.phone });
  await author.go("/notices");
  await inspectAll(t, author, "notices-empty");
  await author.see("notice.duty.nobody");

  await leader.go("/notices/duty");
  await leader.field("notice.slot.phone").fill("+420 485 000 000");
  await leader.page.locator("#enter").click();
  await leader.page.waitForLoadState();
  await inspectAll(t, leader, "notice-duty");
  await author.go("/notices");
  await author.see("notice.duty.now");

  const begin = Date.now();
  let presses = 0;
  const click = async (d, selector) => { presses++; await d.page.locator(selector).first().click(); };
  await click(author, "a[href='/notices/new']");
  await click(author, "#hazard-dam_break");
  await author.page.locator("#area").waitFor();
  presses++; // the list of areas
  await author.page.locator("#area").selectOption("ORP-5102");
  for (const [name, value] of Object.entries(facts)) await author.page.locator(`#${name}`).fill(value);
  await click(author, "#preview");
  await author.page.waitForURL(/\/notices\/notice\//);
  const path = new URL(author.page.url()).pathname;
  await click(author, "#draft");
  await click(author, "#propose");
  await author.page.locator("#withdraw").waitFor();
  presses++; // the link in the message
  await leader.go(`${path}/answer`);
  await click(leader, "#approve");
  await click(leader, "#confirm");
  await leader.see("notice.answer.over");
  const took = Date.now() - begin;
  t.diagnostic(`mouse: ${presses} presses, ${took} ms`);
  assert.ok(presses <= PRESSES, `${presses} presses`);
  assert.ok(took <= TIME, `${took} ms`);

  const feed = await (await author.page.request.get("/cap/feed.atom")).text();
  const address = /\/cap\/message\/[^"]+/.exec(feed)[0];
  const cap = await (await author.page.request.get(address)).text();
  const kept = await author.page.request.get(`${path}/cap.xml`);
  assert.equal(kept.status(), 200);
  for (const file of [address, `${path}/cap.xml`]) note("others", new URL(file, author.page.url()).href);
  for (const word of ["<language>cs-CZ", "<language>de-DE", "<language>pl-PL", "<language>en-GB", "<ds:Signature", "<status>Actual", "CZ05102"]) assert.ok(cap.includes(word), word);

  // The pages in all languages and widths.
  await author.go(path);
  await inspectAll(t, author, "notice-published");
  for (const [way, name] of [["/history", "notice-history"], ["/change?purpose=update", "notice-update"], ["/override", "notice-override-over"], ["/answer", "notice-answered"]]) {
    await author.go("/notices");
    await (way === "/answer" ? leader : author).go(path + way);
    await inspectAll(t, way === "/answer" ? leader : author, name);
  }
  for (const page of ["/notices", "/notices/new", "/notices/new?template=N02", "/notices/templates", "/notices/templates/N01", "/notices/templates/N02/preview"]) {
    await author.go(page);
    await inspectAll(t, author, `notice${page.replace(/[^a-zA-Z0-9]+/g, "-")}`);
  }
  for (const page of ["/notices/templates/import", "/notices/templates/new", "/notices/templates/N01/edit"]) {
    await leader.go(page);
    await inspectAll(t, leader, `notice${page.replace(/[^a-zA-Z0-9]+/g, "-")}`);
  }
  assert.deepEqual([...author.faults, ...leader.faults], []);
});

test("dam break to published by keyboard alone", async (t) => {
  const author = await desk(t, "dispatcher", language(1));
  const leader = await desk(t, "shift_leader", language(1));
  await author.go("/notices");
  const begin = Date.now();
  let presses = 0;
  const press = async (d, key) => { presses++; await d.page.waitForLoadState(); await d.page.keyboard.press(key); };
  await press(author, "n");
  await author.page.locator("#hazard-dam_break").waitFor();
  await press(author, "1");
  await author.page.locator("#area").waitFor();
  // The cursor is in the first field; writing in it chooses, Tab goes on. Writing and Tab
  // are no presses of buttons.
  assert.equal(await author.page.evaluate(() => document.activeElement.id), "area");
  const district = await author.page.locator("#area option[value='ORP-5102']").textContent();
  // Letters that no American keyboard has are keys as well on the one people have.
  const keys = await author.context.newCDPSession(author.page);
  for (const key of district.trim()) {
    await keys.send("Input.dispatchKeyEvent", { type: "keyDown", key, text: key, unmodifiedText: key });
    await keys.send("Input.dispatchKeyEvent", { type: "keyUp", key });
  }
  assert.equal(await author.page.locator("#area").inputValue(), "ORP-5102");
  for (const [name, value] of Object.entries(facts)) {
    for (let n = 0; await author.page.evaluate(() => document.activeElement.id) !== name; n++) {
      assert.ok(n < 20, `Tab does not reach ${name}`);
      await author.page.keyboard.press("Tab");
    }
    await author.page.keyboard.press("Control+A");
    await author.page.keyboard.type(value);
  }
  await press(author, "Control+Enter");
  await author.page.waitForURL(/\/notices\/notice\//);
  const path = new URL(author.page.url()).pathname;
  for (let n = 0; await author.page.evaluate(() => document.activeElement.id) !== "draft"; n++) {
    assert.ok(n < 40, "Tab does not reach the box");
    await author.page.keyboard.press("Tab");
  }
  await press(author, "Space");
  await press(author, "Control+Enter");
  await author.page.locator("#withdraw").waitFor();
  await leader.go(`${path}/answer`);
  for (let n = 0; await leader.page.evaluate(() => document.activeElement.id) !== "approve"; n++) {
    assert.ok(n < 40, "Tab does not reach the approval");
    await leader.page.keyboard.press("Tab");
  }
  await press(leader, "Enter");
  await leader.page.locator("#confirm").waitFor();
  await press(leader, "Control+Enter");
  await leader.see("notice.answer.over");
  const took = Date.now() - begin;
  t.diagnostic(`keyboard: ${presses} presses, ${took} ms`);
  assert.ok(presses <= PRESSES, `${presses} presses`);
  assert.ok(took <= TIME, `${took} ms`);
  assert.deepEqual([...author.faults, ...leader.faults], []);
});

test("a request, a refusal and the emergency page", async (t) => {
  const author = await desk(t, "dispatcher", language(2));
  const leader = await desk(t, "shift_leader", language(2), { viewport: sizes.phone });
  await author.go("/notices/new?template=N01");
  // The area is drawn: corners by keyboard and by a click, the last one taken back; what it
  // will say follows while one writes.
  await author.page.locator("details summary", { hasText: author.text("notice.more.drawing") }).click();
  const map = author.page.locator("#draw");
  await author.page.locator("#draw.map-ready").waitFor();
  const canvas = map.locator("canvas");
  const drawn = async () => (await author.page.locator("#drawing").inputValue()).split("\n").filter(Boolean);
  await canvas.focus();
  for (const key of ["Enter", "ArrowRight", "ArrowUp"]) {
    await author.page.keyboard.press(key);
    await author.page.waitForTimeout(400); // the map moves
  }
  await author.page.keyboard.press("Enter");
  const box = await canvas.boundingBox();
  await canvas.click({ position: { x: box.width / 2 - 60, y: box.height / 2 - 60 } });
  await canvas.click({ position: { x: box.width / 2 - 90, y: box.height / 2 + 60 } });
  assert.equal((await drawn()).length, 4);
  await map.getByRole("button", { name: author.text("register.map.undo") }).click();
  assert.equal((await drawn()).length, 3);
  await author.page.locator("#live").getByText(author.text("notice.say.drawn")).first().waitFor();
  for (const [name, value] of Object.entries(facts)) await author.page.locator(`#${name}`).fill(value);
  await author.page.locator("input[name=kind][value=exercise]").check();
  await author.page.locator("#preview").click();
  await author.page.waitForURL(/\/notices\/notice\//);
  const path = new URL(author.page.url()).pathname;
  await inspectAll(t, author, "notice-draft");
  await author.go(`${path}/edit`);
  await inspectAll(t, author, "notice-edit");
  await author.go(path);
  await author.page.locator("#draft").check();
  await author.page.locator("#propose").click();
  await author.page.locator("#withdraw").waitFor();
  await author.go(`${path}/override`);
  await inspectAll(t, author, "notice-override");
  await leader.go(`${path}/answer`);
  await inspectAll(t, leader, "notice-answer");
  await leader.page.locator("details summary", { hasText: leader.text("notice.do.refuse") }).click();
  await leader.page.locator("#reason").fill("zły obszar");
  await leader.page.locator("#refuse").click();
  await leader.see("notice.answer.over");
  const feed = await (await author.page.request.get("/cap/feed.atom")).text();
  assert.ok(!feed.includes(path.split("/").pop()), "an exercise is among the real notices");
  assert.deepEqual([...author.faults, ...leader.faults], []);
});
