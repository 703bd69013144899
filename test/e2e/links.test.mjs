// Two control rooms connect: technicians read out to each other, test both ways, and a
// second person says yes. Then a new certificate, and the end of it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openWindow, startBrowser } from "./lib/browser.mjs";
import { startDemo, startNode } from "./lib/demo.mjs";
import { inspect, inspectAll } from "./lib/inspect.mjs";
import { Desk } from "./lib/pages.mjs";
import { languages } from "./lib/texts.mjs";

const password = "correct horse battery staple 42";
const crew = (name, country, address) => [{
  name, country, addresses: [address],
  people: ["technician", "shift_leader"].map((role) => ({ login: role.replace("_", "-"), name: `${name} ${role}`, language: "en", roles: [role], password })),
}];

let demo;
let nodes;
let browser;
before(async () => {
  browser = await startBrowser();
  demo = await startDemo();
  nodes = [await startNode(demo, "liberec", crew("Liberec", "CZ", "1.2.3.1.203.51.1.1")), await startNode(demo, "zgorzelec", crew("Zgorzelec", "PL", "1.2.3.1.616.2.1.1"))];
});
after(async () => {
  for (const n of nodes ?? []) await n.end();
  await Promise.all([demo?.end(), browser?.close()]);
});

const ROUNDS = 4; // tests on either side; two are needed

test("connect a neighbour", async (t) => {
  const desk = async (node, login) => {
    const d = new Desk(await openWindow(browser, node.url, "en"), "en");
    t.after(() => d.context.close());
    await d.signIn({ login, password });
    return d;
  };
  const [a, b] = await Promise.all(nodes.map((n) => desk(n, "technician")));
  const [bossA, bossB] = await Promise.all(nodes.map((n) => desk(n, "shift-leader")));

  // What each side has to tell.
  const texts = [];
  for (const [d, node, other] of [[a, nodes[0], "Zgorzelec"], [b, nodes[1], "Liberec"]]) {
    await d.go("/links/own");
    if (d === a) await inspectAll(t, d, "links-own");
    await d.field("link.field.own_url").fill(`${node.exchange}/ucrm/p2p/v0`);
    await d.field("link.field.own_phone").fill("+420 485 123 456");
    await d.button("link.save").click();
    await d.go("/links/new");
    if (d === a) await inspectAll(t, d, "links-new");
    await d.field("link.field.name").fill(other);
    await d.button("link.begin").click();
    await d.page.waitForURL(/\/links\/(?!new|own)[^/]+$/);
    d.address = new URL(d.page.url()).pathname;
    if (d === a) await inspectAll(t, d, "links-begun");
    await d.go(`${d.address}/sheet`);
    texts.push(await d.page.locator("pre").textContent());
    if (d === a) await inspectAll(t, d, "links-sheet");
  }
  for (const [d, said] of [[a, texts[1]], [b, texts[0]]]) {
    await d.go(`${d.address}/theirs`);
    await d.field("link.field.text").fill(said);
    await d.button("link.theirs.take").click();
    await d.see("link.theirs.read");
    await d.button("link.save").click();
    await d.page.waitForURL((url) => url.pathname === d.address);
  }
  await a.go(`${a.address}/theirs`);
  await inspectAll(t, a, "links-theirs");

  // Test both ways. Each side sees the other's only once that has been at it, so both
  // go on until nothing is left to mend.
  const wrong = (d) => d.page.locator("#test td").getByText(d.text("link.result.failed")).or(d.page.locator("#test td").getByText(d.text("link.result.not_seen"))).count();
  const left = new Map([[a, 1], [b, 1]]);
  for (let round = 0; round < ROUNDS && [...left.values()].some((n) => n > 0); round++) {
    for (const d of [a, b]) {
      await d.go(d.address);
      await d.button("link.test").click();
      await d.page.locator("#test table").waitFor();
      left.set(d, await wrong(d));
    }
  }
  await inspectAll(t, b, "links-tested");

  // The one who proposes cannot say yes himself.
  for (const [d, boss] of [[a, bossA], [b, bossB]]) {
    await d.go(d.address);
    await d.button("link.propose.live").click();
    await d.see("link.proposal.yours");
    assert.equal(await d.link("link.proposal.live.look").count(), 0);
    await boss.go(d.address);
    await boss.link("link.proposal.live.look").click();
    if (d === a) await inspectAll(t, boss, "links-confirm");
    await boss.button("link.proposal.live.do").click();
    await boss.see("link.state.live");
  }

  // A new certificate waits for a second person; the old one stays meanwhile.
  await a.go(`${a.address}/certificates`);
  await a.field("link.column.fingerprint").fill("ab".repeat(32));
  await a.button("link.certificate.add").click();
  await a.see("link.certificate.waits");
  await inspectAll(t, a, "links-certificates");
  await bossA.go(`${a.address}/certificates`);
  await bossA.link("link.certificate.confirm").click();
  await inspectAll(t, bossA, "links-certificate-confirm");
  await a.go(`${a.address}/certificates`);
  await a.link("link.certificate.remove").click();
  await inspectAll(t, a, "links-certificate-remove");

  // Their node moves, and they get another password: the same two people.
  await a.go(`${a.address}/change`);
  await inspectAll(t, a, "links-change");
  await a.field("link.column.url").fill(`${nodes[1].exchange.replace("127.0.0.1", "localhost")}/ucrm/p2p/v0`);
  await a.button("link.change.propose").click();
  await a.see("link.proposal.yours");
  assert.equal(await a.link("link.change.look").count(), 0);
  await bossA.go(a.address);
  await bossA.link("link.change.look").click();
  await inspectAll(t, bossA, "links-change-confirm");
  await bossA.button("link.change.do").click();
  await bossA.see("link.event.change.confirm");
  await a.go(a.address);
  // A new password is in an answer only, which has no address to ask in other languages.
  for (const lang of [...languages.filter((l) => l !== a.lang), a.lang]) {
    await a.go(a.address);
    if (await a.button("link.recall").count()) await a.button("link.recall").click();
    await a.speak(lang);
    await a.button("link.secret.new").click();
    await a.see("link.secret.once");
    await t.test(`links-secret ${lang}`, () => inspect(a.page, "links-secret", lang));
  }
  await bossA.go(`${a.address}/change/confirm`);
  await bossA.button("link.change.do").click();
  await bossA.see("link.secret.two");
  await a.go(`${a.address}/secret/end`);
  await inspectAll(t, a, "links-secret-end");
  await a.go(`${a.address}/end`);
  await inspectAll(t, a, "links-end");
  assert.deepEqual([...a.faults, ...b.faults, ...bossA.faults, ...bossB.faults], []);
});
