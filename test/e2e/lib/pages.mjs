// pages.mjs is how people use the pages, in the words of their language.
import { like, text } from "./texts.mjs";

// A button's name may end with its key, which is shown on it.
const named = (source) => new RegExp(`^${source}(\\s+(F\\d+|\\S+\\s\\+\\s\\S+|\\S))?$`, "u");

/** A person at one window. Everything he presses and reads is in his language. */
export class Desk {
  constructor(window, lang) {
    Object.assign(this, window); // page, context, faults
    this.lang = lang;
  }

  text(key, args) { return text(this.lang, key, args); }
  like(key, args) { return like(this.lang, key, args); }

  button(key, args) { return this.page.getByRole("button", { name: named(this.like(key, args).source) }).first(); }
  link(key, args) { return this.page.getByRole("link", { name: named(this.like(key, args).source) }).first(); }

  /** A field by its label, behind which a remark may stand. */
  field(key, args) { return this.page.getByLabel(new RegExp(`^\\s*${this.like(key, args).source}(\\s|$)`, "u")).first(); }
  see(key, args) { return this.page.getByText(this.like(key, args)).first().waitFor(); }

  async go(path) {
    await this.page.goto(`${path}${path.includes("?") ? "&" : "?"}lang=${this.lang}`);
  }

  async signIn(person) {
    await this.go("/signin");
    await this.field("signin.login").fill(person.login);
    await this.page.locator("input[type=password]").fill(person.password);
    await this.button("signin.do").click();
    await this.page.waitForURL((url) => !url.pathname.startsWith("/signin"));
    await this.speak(this.lang);
  }

  /** An account has a language of its own; the menu of the page that is open changes it. */
  async speak(lang) {
    this.lang = lang;
    if (await this.page.locator("html").getAttribute("lang") === lang) return;
    await this.page.locator(".menu-language summary").click();
    await this.page.locator(`.menu-language button[lang=${lang}]`).click();
    await this.page.locator(`html[lang=${lang}]`).waitFor();
  }

  /** What the person is called. */
  async name() { return (await this.page.locator(".menu-name span").first().textContent()).trim(); }

  /** Opens the console and lets it be heard, as at the start of a shift. */
  async arm() {
    await this.page.addInitScript(() => {
      globalThis.calls = [];
      document.addEventListener("sound:called", (e) => globalThis.calls.push(e.detail));
    });
    await this.go("/console");
    await this.button("web.sound.test").click();
    await this.page.locator("[data-sound-state=on]").waitFor();
  }

  /** How often the console has called so far. */
  calls() { return this.page.evaluate(() => globalThis.calls.length); }

  /** Waits until the console calls once more; class B repeats its call every 30 s. */
  async called(before) { await this.page.waitForFunction((n) => globalThis.calls.length > n, before, { timeout: 40_000 }); }

  /** Hands an incident over; returns its address. */
  async handOver(incident) {
    await this.write(incident);
    await this.button("console.p.do.hand_over").click();
    await this.page.waitForURL(/\/console\/incidents\//);
    return new URL(this.page.url()).pathname;
  }

  /** Fills the form of a hand-over. */
  async write({ where, what, issue, injured, to }) {
    await this.go("/console/handover");
    await this.field("console.p.where").fill(where);
    await this.button("console.p.do.find").click(); // the page comes again with what was found
    const found = this.page.locator("#found input[type=radio]").first();
    if (await found.waitFor({ timeout: 3000 }).then(() => true, () => false)) await found.click(); // fills the fields below
    await this.field("console.p.field.type").fill(what);
    await this.field("console.p.field.issue").fill(issue);
    await this.field("console.p.field.injured").fill(String(injured));
    await this.page.getByRole("checkbox", { name: to }).check();
  }

  /** Asks a neighbour for resources for the incident that is open. */
  async resources({ want, to }) {
    await this.link("console.p.do.resources").click();
    await this.field("console.p.resources.want").fill(want);
    for (const box of await this.page.getByRole("checkbox").all()) await box.uncheck();
    await this.page.getByRole("checkbox", { name: to }).check();
    await this.button("console.p.do.ask").click();
    await this.page.waitForURL(/\/console\/incidents\/[^/]+$/);
  }

  /** The row of an incident in the queue. */
  row(what) { return this.page.locator("#queue").getByRole("link").filter({ hasText: what }).first(); }

  /** Presses "open" at what rings first. */
  async open() {
    await this.page.locator("#alarms").getByRole("button", { name: named(this.like("console.p.do.open").source) }).click();
    await this.page.waitForURL(/\/console\/incidents\//);
  }

  /** Accepts the incident that is open, as place and number of injured are stated or otherwise. */
  async accept({ place, injured } = {}) {
    await this.link("console.p.do.accept").click();
    if (place !== undefined) await this.field("console.p.accept.place").fill(place);
    if (injured !== undefined) await this.field("console.p.accept.injured").fill(String(injured));
    await this.button("console.p.do.accept_now").click();
    await this.incidentAgain();
  }

  async message(words) {
    await this.page.locator("#message-form textarea").fill(words);
    await this.page.locator("#message-form").getByRole("button", { name: named(this.like("console.p.do.send").source) }).click();
    await this.page.locator("#messages").getByText(words).first().waitFor();
  }

  async complete(note) {
    await this.link("console.p.do.complete").click();
    await this.field("console.p.end.note").fill(note);
    await this.button("console.p.do.complete_now").click();
    await this.incidentAgain();
  }

  /**
   * Waits until the form of an action has led back to its incident. The stream tells the
   * outcome to the old page as well, so that to read it is not to have left that page.
   */
  incidentAgain() { return this.page.waitForURL(/\/console\/incidents\/[^/]+$/); }

  /** Waits until a receipt has come so far, in words. */
  receipt(step, state = "done") { return this.see(`ui.receipt.${step}.${state}`); }
}
