// browser.mjs opens pages in Debian's Chromium and writes down whatever goes wrong in them.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { note, out } from "./record.mjs";

export const sizes = {
  phone: { width: 390, height: 844 },
  desk: { width: 1366, height: 768 },
  room: { width: 1920, height: 1080 },
};

const START = 120_000; // ms; the first start reads the browser from a cold disk
const WAIT = 30_000; // ms for anything a page should show; only what fails waits that long

const executable = process.env.CHROMIUM ?? "/usr/bin/chromium";
const flags = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=user-gesture-required"];

/** more are flags of this browser alone, such as what draws WebGL in software. */
export async function startBrowser(...more) {
  const browser = await chromium.launch({ executablePath: executable, args: [...flags, ...more], timeout: START });
  const close = browser.close.bind(browser);
  browser.close = async () => {
    let late;
    // A browser that holds on to a worker or a push may never answer; the run must end.
    const killed = new Promise((done) => {
      late = setTimeout(() => { console.error("the browser did not close, it is killed"); spawn("pkill", ["-KILL", "-P", String(process.pid), "chrom"]).once("close", done); }, WAIT);
    });
    await Promise.race([close(), killed]);
    clearTimeout(late);
  };
  return browser;
}

/** Without a graphics card maps are drawn by the processor. */
export const drawsMaps = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"];

/** A window of its own: cookies, language, size. options as browser.newContext has them. */
export async function openWindow(browser, url, lang, options = {}) {
  const context = await browser.newContext({ baseURL: url, locale: lang, viewport: sizes.desk, ...options });
  context.setDefaultTimeout(WAIT);
  const faults = [];
  context.on("page", (page) => watch(page, new URL(url).host, faults));
  return { context, faults, page: await context.newPage() };
}

// watch collects errors of scripts, breaches of the content security policy (which the
// browser reports as errors), parts of pages that are missing and requests to other hosts.
// What the server says to a page as a whole is for the tests, unless it is a failure.
function watch(page, host, faults) {
  const fault = (what) => faults.push(`${new URL(page.url()).pathname}: ${what}`);
  page.on("console", (m) => { if (m.type() === "error" && !m.text().startsWith("Failed to load resource")) fault(m.text()); });
  page.on("pageerror", (e) => fault(String(e)));
  page.on("request", (r) => { if (/^https?:/.test(r.url()) && new URL(r.url()).host !== host) fault(`request to ${r.url()}`); });
  page.on("response", (r) => { if (r.status() >= (r.request().isNavigationRequest() ? 500 : 400)) fault(`${r.status()} for ${r.url()}`); });
  page.on("response", (r) => { if (r.ok() && new URL(r.url()).host === host && !(r.headers()["content-type"] ?? "").startsWith("text/html")) note("others", r.url()); });
}


/** Keeps a picture of what is on the screen; the path is one for reading, not for comparing. */
export async function shot(page, ...path) {
  if (process.env.E2E_SHOTS === "0") return;
  const file = `${join(out, ...path)}.png`;
  mkdirSync(join(file, ".."), { recursive: true });
  await page.screenshot({ path: file });
}

/**
 * A browser whose tabs hide each other. Playwright keeps all its pages in front; so this
 * one is started by hand and only driven by it. cover() puts another tab in front.
 */
export async function startTabs(url) {
  const profile = mkdtempSync(join(tmpdir(), "trojmezi-e2e-tabs-"));
  const child = spawn(executable, [...flags, "--headless=new", "--remote-debugging-port=0", "--no-first-run", `--user-data-dir=${profile}`, "about:blank"], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((done) => child.once("close", done));
  const port = await new Promise((found, no) => {
    createInterface({ input: child.stderr }).on("line", (line) => { const m = /DevTools listening on ws:\/\/([^/]+)/.exec(line); if (m) found(m[1]); });
    child.once("close", () => no(new Error("the browser ended at once")));
  });
  const browser = await chromium.connectOverCDP(`http://${port}`, { noDefaults: true });
  const context = browser.contexts()[0];
  context.setDefaultTimeout(WAIT);
  const [page] = context.pages();
  const faults = [];
  watch(page, new URL(url).host, faults);
  return {
    context, page: based(page, url), faults,
    async cover() {
      await fetch(`http://${port}/json/new?about:blank`, { method: "PUT" });
      await page.waitForFunction(() => document.hidden, undefined, { polling: 100 });
    },
    async close() {
      await browser.close();
      child.kill();
      await ended;
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

// based lets a page that has no base address be led by paths.
function based(page, url) {
  const goto = page.goto.bind(page);
  page.goto = (path) => goto(new URL(path, url).href);
  return page;
}
