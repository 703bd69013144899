// A whole incident between two people at two windows in two countries, in each language.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openWindow, sizes, shot, startBrowser } from "./lib/browser.mjs";
import { startDemo } from "./lib/demo.mjs";
import { inspect } from "./lib/inspect.mjs";
import { Desk } from "./lib/pages.mjs";

let demo;
let browser;
before(async () => { browser = await startBrowser(); demo = await startDemo(); });
after(async () => { await Promise.all([demo?.end(), browser?.close()]); });

async function desk(t, place, lang, n = 0) {
  const d = new Desk(await openWindow(browser, demo.urls[place], lang, { viewport: sizes.room }), lang);
  t.after(() => d.context.close());
  await d.signIn(demo.who(place, "dispatcher")[n]);
  return d;
}

// Who hands over writes in his language; the words stay as they are at the other end.
const words = {
  cs: { what: "dopravní nehoda", issue: "Dvě auta, únik paliva.", there: "Řidič je při vědomí.", back: "Vozidlo je na místě.", end: "Zásah ukončen." },
  de: { what: "Verkehrsunfall", issue: "Zwei Pkw, Kraftstoff läuft aus.", there: "Fahrer ist bei Bewusstsein.", back: "Fahrzeug ist an der Einsatzstelle.", end: "Einsatz beendet." },
  pl: { what: "wypadek drogowy", issue: "Dwa samochody, wyciek paliwa.", there: "Kierowca jest przytomny.", back: "Pojazd jest na miejscu.", end: "Działania zakończone." },
  en: { what: "traffic accident", issue: "Two cars, fuel leaking.", there: "The driver is conscious.", back: "Vehicle on scene.", end: "Operation finished." },
};

for (const [here, there] of [["cs", "de"], ["de", "pl"], ["pl", "en"], ["en", "cs"]]) {
  test(`hand over in ${here}, accept in ${there}`, async (t) => {
    const [sender, receiver] = await Promise.all([desk(t, "liberec", here), desk(t, "hoyerswerda", there)]);
    const issue = `${words[here].issue} (${here})`; // the headline of the row
    await receiver.arm();
    const before = await receiver.calls();

    const address = await sender.handOver({ where: "Hrádek nad Nisou", what: words[here].what, issue, injured: 2, to: /Hoyerswerda/ });
    await sender.receipt("stored");
    await sender.receipt("delivered");

    // It rings, to be heard and to be seen.
    await receiver.called(before);
    await receiver.page.locator("#alarms").getByText(receiver.text("console.d.cause.incoming")).waitFor();
    assert.match(await receiver.page.title(), /^\(\d+\) /);
    await receiver.row(issue).waitFor();
    await shot(receiver.page, "incident", `${there}-rings`);

    // Opened, it is silent; accepted, with another number of injured than was stated.
    await receiver.open();
    await receiver.page.locator("#incident").getByText(issue).waitFor();
    await sender.receipt("read");
    await receiver.accept({ injured: 3 });
    await receiver.see("console.d.state.accepted");

    // The sender reads who accepted, and that the numbers differ.
    await sender.receipt("accepted");
    await sender.page.locator(".receipts").getByText(await receiver.name()).first().waitFor();
    await sender.see("console.p.mismatch.injured");

    // Words both ways, as they were written.
    await sender.message(words[here].there);
    await receiver.page.locator("#messages").getByText(words[here].there).waitFor();
    await receiver.message(words[there].back);
    await sender.page.locator("#messages").getByText(words[there].back).waitFor();

    // The end of it.
    await receiver.complete(words[there].end);
    await receiver.see("console.d.state.completed");
    await sender.see("console.d.state.completed");
    await sender.page.getByText(words[there].end).first().waitFor();
    await shot(sender.page, "incident", `${here}-completed`);
    assert.equal(new URL(sender.page.url()).pathname, address);
    assert.deepEqual([...sender.faults, ...receiver.faults], []);
  });
}

test("taken over by telephone: it stops ringing there, and the text says so", async (t) => {
  const [sender, receiver] = await Promise.all([desk(t, "liberec", "cs"), desk(t, "hoyerswerda", "de")]);
  const issue = "Předáno ústně";
  await receiver.arm();
  const before = await receiver.calls();
  await sender.handOver({ where: "Hrádek nad Nisou", what: "dopravní nehoda", issue, injured: 1, to: /Hoyerswerda/ });
  await sender.receipt("delivered");
  await receiver.called(before);
  const rings = receiver.page.locator("#alarms").getByText(issue);
  await rings.first().waitFor();

  await sender.link("console.p.do.telephone").click();
  await sender.page.locator(".call .strip-phone").waitFor(); // the number to dial, from our own directory
  await sender.field("console.p.telephone.with").fill("Frau Weber, Schichtleitung");
  await sender.button("console.p.reached").click();
  await sender.page.waitForURL(/\/console\/incidents\/[^/]+$/);
  await sender.see("console.d.state.telephoned");

  await rings.first().waitFor({ state: "detached" });
  await receiver.row(issue).click();
  const text = receiver.page.locator("#messages .message").last();
  await text.getByText(receiver.text("console.d.form.telephone")).waitFor();
  await text.getByText(await sender.name()).waitFor(); // who called
  assert.deepEqual([...sender.faults, ...receiver.faults], []);
});

test("two desks accept at once: one wins, the other sees who", async (t) => {
  const [sender, first, second] = await Promise.all([desk(t, "liberec", "cs"), desk(t, "hoyerswerda", "de"), desk(t, "hoyerswerda", "en", 1)]);
  const issue = "Dvě auta, dva stoly.";
  await Promise.all([first.go("/console"), second.go("/console")]);
  await sender.handOver({ where: "Hrádek nad Nisou", what: "dopravní nehoda", issue, injured: 1, to: /Hoyerswerda/ });
  for (const d of [first, second]) {
    await d.row(issue).click();
    await d.page.waitForURL(/\/console\/incidents\//);
    await d.link("console.p.do.accept").click();
    await d.button("console.p.do.accept_now").waitFor();
  }
  await Promise.all([first, second].map((d) => d.button("console.p.do.accept_now").click()));
  const lost = [];
  for (const d of [first, second]) {
    const kept = d.page.getByText(d.text("console.p.conflict.kept"));
    await Promise.race([d.incidentAgain(), kept.waitFor()]);
    if (await kept.count()) lost.push(d);
  }
  assert.equal(lost.length, 1, "exactly one desk must lose");
  const [won] = [first, second].filter((d) => d !== lost[0]);
  await lost[0].page.getByText(await won.name()).first().waitFor();
  await inspect(lost[0].page, "accept-lost", lost[0].lang);
});

test("a place corrected by name takes over neither point nor street, and nothing written is lost", async (t) => {
  const d = await desk(t, "liberec", "cs");
  const value = (name) => d.page.locator(`#handover [name=${name}]`).inputValue();
  const choose = async (words) => {
    await d.field("console.p.where").fill(words);
    await d.page.locator(`#found input[type=radio][value*="of=${encodeURIComponent(words).replaceAll("%20", "+")}&"]`).first().click();
    await d.page.waitForFunction(() => document.querySelector("#handover [name=where]").value === "");
  };
  await d.go("/console/handover");
  await choose("50.8528 14.8446");
  assert.notEqual(await value("place"), "");
  await d.page.waitForFunction(() => document.querySelector("#handover [name=lat]").value !== "");
  await d.page.locator("#handover [name=street]").fill("Žitavská");
  await d.page.locator("#handover [name=house]").fill("12");
  await choose("Jonsdorf");
  const now = {};
  for (const name of ["place", "country", "lat", "lon", "street", "house"]) now[name] = await value(name);
  assert.deepEqual(now, { place: "Jonsdorf", country: "DE", lat: "", lon: "", street: "", house: "" });

  // What the register does not know is asked about, not dropped.
  const words = "Václavice u kostela";
  await d.field("console.p.where").fill(words);
  await d.field("console.p.field.type").fill("požár");
  await d.page.getByRole("checkbox", { name: /Hoyerswerda/ }).check();
  await d.button("console.p.do.hand_over").click();
  await d.page.locator(".found").waitFor();
  await d.see("console.p.where.given");
  await shot(d.page, "incident", "cs-where-asked");
  await d.page.locator("#found input[type=radio]").first().click();
  assert.equal(await value("additional"), words);
  assert.equal(await value("place"), "Jonsdorf");
  await d.button("console.p.do.hand_over").click();
  await d.page.waitForURL(/\/console\/incidents\//);
  await d.page.locator("#incident").getByText(words).first().waitFor();
  await shot(d.page, "incident", "cs-where-added");
  await d.go("/console/handover?incident=" + new URL(d.page.url()).pathname.split("/").pop());
  assert.deepEqual([await value("place"), await value("additional")], ["Jonsdorf", words]);
  await inspect(d.page, "handed-on", d.lang);
  assert.deepEqual(d.faults, []);
});
