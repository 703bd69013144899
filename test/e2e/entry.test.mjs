// The way in: the first start of a node, the second factor, links that are handed over,
// a shared desk. Each page on it is inspected where a person meets it.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import { openWindow, startBrowser } from "./lib/browser.mjs";
import { startDemo, startNode } from "./lib/demo.mjs";
import { inspect, inspectAll } from "./lib/inspect.mjs";
import { Desk } from "./lib/pages.mjs";
import { languages } from "./lib/texts.mjs";

let demo;
let node;
let browser;
before(async () => {
  browser = await startBrowser();
  demo = await startDemo();
  node = await startNode(demo, "zgorzelec"); // one that knows nobody yet
});
after(async () => { await node?.end(); await Promise.all([demo?.end(), browser?.close()]); });

// The code an app shows for a key (RFC 6238: SHA-1, 30 s, six digits).
function code(key, now = Date.now()) {
  const bits = [...key.replace(/\s/g, "")].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const secret = Buffer.from(bits.match(/.{8}/g).map((b) => Number.parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(now / 30_000)));
  const mac = createHmac("sha1", secret).update(counter).digest();
  return String((mac.readUInt32BE(mac.at(-1) & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

const password = "correct horse battery staple 42";

test("the first start of a node", async (t) => {
  const d = new Desk(await openWindow(browser, node.url, "pl"), "pl");
  t.after(() => d.context.close());
  await d.page.goto("/setup");
  await inspectAll(t, d, "setup");
  await d.field("signin.setup.code").fill(node.code);
  await d.field("signin.organisation.name").fill("Stanowisko kierowania");
  await d.page.getByRole("radio", { name: /PL|Polska/ }).check();
  await d.field("signin.name").fill("Ewa Lewandowska");
  await d.field("signin.login").fill("ewa");
  await d.page.locator("input[type=password]").fill(password);
  await d.button("signin.setup.do").click();

  // The second factor, with its codes for the day the telephone is lost.
  await d.page.waitForURL(/\/signin\/enrol/);
  await inspectAll(t, d, "enrol");
  const key = await d.page.locator("code.key").textContent();
  await d.field("signin.enrol.app.3").fill(code(key));
  await d.button("signin.enrol.confirm").click();
  await d.page.waitForURL(/\/signin\/codes/);
  await inspectAll(t, d, "recovery-codes");
  const spare = (await d.page.locator(".codes code").first().textContent()).trim();
  await d.button("signin.codes.kept").click();
  await d.page.waitForURL(/\/people/);

  // Somebody is invited, and asked again later.
  await d.link("signin.people.new").click();
  await d.field("signin.name").fill("Anna Kowalska");
  await d.field("signin.login").fill("anna");
  await d.page.getByRole("checkbox", { name: d.text("web.role.dispatcher") }).check();
  await d.page.getByRole("radio", { name: "Polski" }).check();
  await d.button("signin.people.invite").click();
  const link = async () => new URL(await d.field("signin.link.label").inputValue()).pathname;
  const guest = new Desk(await openWindow(browser, node.url, "pl"), "pl");
  t.after(() => guest.context.close());
  await guest.page.goto(await link());
  await inspectAll(t, guest, "invitation");
  await guest.page.locator("input[type=password]").fill(password);
  await guest.button("signin.password.save").click();
  await guest.page.waitForURL((url) => !url.pathname.startsWith("/invitation"));
  assert.equal(await guest.name(), "Anna Kowalska");

  // She loses her telephone, and then her password.
  await guest.page.goto("/signin/enrol");
  await guest.field("signin.enrol.app.3").fill(code(await guest.page.locator("code.key").textContent()));
  await guest.button("signin.enrol.confirm").click();
  await guest.button("signin.codes.kept").click();
  await d.button("signin.link.done").click();
  const person = new URL(d.page.url()).pathname;
  await d.link("signin.person.second").click();
  await inspectAll(t, d, "second-asked");
  await d.page.goto(person);
  await d.link("signin.person.reset").click();
  await inspectAll(t, d, "reset-asked");
  await d.button("signin.person.reset").click();
  await guest.context.clearCookies();
  await guest.page.goto(await link());
  await inspectAll(t, guest, "reset");

  // This browser becomes a shared desk; the next one to work here only chooses his name.
  await d.page.goto("/desks");
  await d.field("signin.desks.name").fill("Stół 2");
  await d.button("signin.desks.do").click();
  await d.see("signin.desks.named");
  await d.page.locator(".menu-person summary").click();
  await d.button("web.change_user").click();
  await d.page.waitForURL(/\/(signin|desk)/);
  if (!/\/desk/.test(d.page.url())) await d.page.goto("/desk");
  await inspectAll(t, d, "desk");

  // Back in with the second factor: by the app or by a spare code.
  const again = new Desk(await openWindow(browser, node.url, "pl"), "pl");
  t.after(() => again.context.close());
  await again.go("/signin");
  await again.field("signin.login").fill("ewa");
  await again.page.locator("input[type=password]").fill(password);
  await again.button("signin.do").click();
  await again.page.waitForURL(/\/signin\/second/);
  await inspectAll(t, again, "second");
  await again.page.goto("/signin/second?recovery=");
  await again.field("signin.code.recovery").fill(spare);
  await again.button("signin.continue").click();
  await again.page.waitForURL((url) => !url.pathname.startsWith("/signin"));
  assert.equal(await again.name(), "Ewa Lewandowska");
  assert.deepEqual([...d.faults, ...guest.faults, ...again.faults], []);
});

test("a password to be changed", async (t) => {
  const crew = [{ name: "Centrum", country: "CZ", addresses: [], people: [{ login: "new", name: "Nová", language: "cs", roles: ["dispatcher"], password, must_change: true }] }];
  const other = await startNode(demo, "liberec", crew);
  t.after(() => other.end());
  const d = new Desk(await openWindow(browser, other.url, "cs"), "cs");
  t.after(() => d.context.close());
  await d.go("/signin");
  await d.field("signin.login").fill("new");
  await d.page.locator("input[type=password]").fill(password);
  await d.button("signin.do").click();
  await d.page.waitForURL(/\/signin\/password/);
  await inspectAll(t, d, "password");
  await d.page.locator("input[type=password]").fill(`${password} and more`);
  await d.button("signin.password.save").click();
  await d.page.waitForURL((url) => !url.pathname.startsWith("/signin"));
  assert.deepEqual(d.faults, []);
});

test("a refused sign-in says why and keeps the name", async (t) => {
  for (const lang of languages) {
    const d = new Desk(await openWindow(browser, demo.urls.liberec, lang), lang);
    t.after(() => d.context.close());
    await d.go("/signin");
    await d.field("signin.login").fill("dispatcher");
    await d.page.locator("input[type=password]").fill("wrong");
    await d.button("signin.do").click();
    await d.page.locator(".errors").waitFor();
    assert.equal(await d.field("signin.login").inputValue(), "dispatcher");
    await inspect(d.page, "signin-refused", lang);
  }
});

// A passkey from the browser's own hands: added, asked for as the second factor, refused
// when it is another's. The key itself is the browser's virtual one.
test("a passkey as second factor", async (t) => {
  const address = demo.urls.liberec.replace("127.0.0.1", "localhost"); // a passkey belongs to a name, not to a number
  const person = demo.who("liberec", "shift_leader")[0];
  const d = new Desk(await openWindow(browser, address, "de"), "de");
  t.after(() => d.context.close());
  const keys = await d.context.newCDPSession(d.page);
  await keys.send("WebAuthn.enable");
  const plug = () => keys.send("WebAuthn.addVirtualAuthenticator", {
    options: { protocol: "ctap2", transport: "usb", hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
  const { authenticatorId } = await plug();
  await d.signIn(person);
  await d.page.goto("/signin/enrol");
  await d.field("signin.enrol.device").fill("Schlüssel am Bund");
  await d.button("signin.enrol.passkey.do").click();
  await d.page.waitForURL(/\/signin\/codes/);
  await d.button("signin.codes.kept").click();
  await d.page.goto("/me");
  await d.page.getByRole("cell", { name: /Schlüssel am Bund/ }).waitFor();

  const password = async () => {
    await d.context.clearCookies();
    await d.go("/signin");
    await d.field("signin.login").fill(person.login);
    await d.page.locator("input[type=password]").fill(person.password);
    await d.button("signin.do").click();
    await d.page.waitForURL(/\/signin\/second/);
  };
  await password();
  await d.button("signin.passkey.use").click();
  await d.page.waitForURL((url) => !url.pathname.startsWith("/signin"));
  await d.page.goto("/me");
  assert.ok(!(await d.page.getByRole("row").filter({ hasText: "Schlüssel am Bund" }).textContent()).includes(d.text("signin.never")));

  // The wrong key opens nothing, and the page says so.
  await keys.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId });
  await plug();
  await password();
  await d.button("signin.passkey.use").click();
  await d.see("signin.passkey.failed");
  assert.match(d.page.url(), /\/signin\/second/);
  assert.deepEqual(d.faults, []);
});
