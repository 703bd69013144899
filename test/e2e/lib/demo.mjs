// demo.mjs runs `trojmezi demo` as its visitors do and reads what it prints.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const READY = 150_000; // ms; the demo itself gives its nodes 90 s, and its play takes some 10 s
const END = 20_000; // ms; the demo gives each node 10 s before it kills it

/**
 * Starts a demo and waits until its play is over: while it is played incidents ring and
 * are answered. With E2E_DEMO it is one that runs already: the file its output goes to.
 */
export async function startDemo() {
  if (process.env.E2E_DEMO) return runningDemo(process.env.E2E_DEMO);
  const dir = mkdtempSync(join(tmpdir(), "trojmezi-e2e-"));
  const child = spawn(process.env.E2E_BINARY, ["demo", "--data", dir], { stdio: ["ignore", "pipe", "pipe"] });
  const demo = new Demo(child, dir);
  process.once("exit", demo.kill); // the nodes end with the demo
  let late;
  try {
    await Promise.race([
      demo.played,
      demo.ended.then((code) => { throw new Error(`the demo ended with ${code}:\n${demo.said.join("\n")}`); }),
      new Promise((_, no) => { late = setTimeout(() => no(new Error(`the demo is not ready:\n${demo.said.join("\n")}`)), READY); }),
    ]);
  } catch (e) {
    demo.kill();
    await demo.ended;
    rmSync(dir, { recursive: true, force: true });
    throw e;
  } finally {
    clearTimeout(late);
  }
  return demo;
}

function runningDemo(file) {
  const lines = readFileSync(file, "utf8").split("\n");
  const pid = Number(readFileSync(`${file}.pid`, "utf8"));
  const demo = new Demo({ pid, once() {} }, lines[0].slice(lines[0].indexOf("/")));
  lines.forEach((line) => demo.read(line));
  demo.end = async () => {};
  return demo;
}

class Demo {
  /** place → its address for browsers */
  urls = {};
  /** {place, role, login, password} of each person */
  people = [];
  said = [];

  constructor(child, dir) {
    this.child = child;
    this.dir = dir;
    this.kill = () => child.kill("SIGKILL");
    this.ended = new Promise((done) => child.once("close", (code, signal) => done(code ?? signal)));
    let played;
    this.played = new Promise((done) => { played = done; });
    for (const input of [child.stdout, child.stderr].filter(Boolean)) {
      createInterface({ input }).on("line", (line) => {
        this.read(line);
        if (line === "demo played") played();
      });
    }
  }

  read(line) {
    this.said.push(line);
    const words = line.split(" ");
    if (words[0] !== "demo" || words.length !== 6) return;
    const [, place, url, role, login, password] = words;
    this.urls[place] = url;
    // "client" is the account of a dispatch system, not of a person.
    if (role !== "client") this.people.push({ place, url, role, login, password });
  }

  /** The people of a role at a place, in the order in which they were printed. */
  who(place, role) {
    const found = this.people.filter((p) => p.place === place && p.role === role);
    if (found.length === 0) throw new Error(`no ${role} in ${place}`);
    return found;
  }

  /** The process of the node of a place. */
  node(place) {
    const pid = children(this.child.pid).find((p) => readFileSync(`/proc/${p}/cmdline`, "utf8").includes(join(this.dir, place)));
    if (!pid) throw new Error(`no process of ${place}`);
    return pid;
  }

  /** Ends the demo; what is left of it then is an error. */
  async end() {
    const nodes = children(this.child.pid);
    process.removeListener("exit", this.kill);
    this.child.kill("SIGTERM");
    const late = setTimeout(this.kill, END);
    const code = await this.ended;
    clearTimeout(late);
    const left = nodes.filter(alive);
    rmSync(this.dir, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`processes ${left} outlived the demo`);
    if (code !== 0) throw new Error(`the demo ended with ${code}:\n${this.said.slice(-20).join("\n")}`);
  }
}

// The state and the parent of a process stand behind its name (proc(5)).
function stat(pid) {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state, parent] = line.slice(line.lastIndexOf(")") + 2).split(" ");
    return { state, parent: Number(parent) };
  } catch {
    return undefined; // it has ended
  }
}

const alive = (pid) => { const s = stat(pid); return s !== undefined && s.state !== "Z"; };
const children = (pid) => readdirSync("/proc").filter((n) => /^\d+$/.test(n)).map(Number).filter((p) => stat(p)?.parent === pid);

/**
 * Starts a node beside the demo with the files of one of its places but a folder of its
 * own and without neighbours. It shows the gallery of page parts. people is the crew as
 * `trojmezi people import` reads it; without one the node knows nobody, and code is what
 * it prints for the first of all. Returns {url, exchange, code, end}.
 */
export async function startNode(demo, place, people) {
  for (let tries = 3; ; tries--) {
    try {
      return await tryNode(demo, place, people);
    } catch (e) {
      // Between finding a port and listening on it somebody's connection may take it.
      if (tries === 1 || !/address already in use|EADDRINUSE/.test(e.message)) throw e;
    }
  }
}

async function tryNode(demo, place, people) {
  const [port, exchange] = [await freePort(), await freePort()];
  const config = join(demo.dir, place, `own-${port}.yaml`);
  const text = readFileSync(join(demo.dir, place, "node.yaml"), "utf8")
    .replace(/^data: .*$/m, `data: own-${port}\ndev: true`)
    .replace(/^listen: .*$/m, `listen: 127.0.0.1:${port}`)
    .replace(/^( +)listen: .*$/m, `$1listen: 127.0.0.1:${exchange}`)
    .replace(/^( +)peers:\n(?:\1 .*\n|\1- .*\n)*/m, "")
    .replace(/^gateways:\n(?:[ -].*\n)*/m, "") // its folders belong to the place
    .replace(/^( +)- username: .*\n(?:\1  .*\n)*?\1  type: p2p\n\1  oids: .*\n/gm, "");
  writeFileSync(config, text, { mode: 0o600 });
  if (people) {
    const done = spawnSync(process.env.E2E_BINARY, ["people", "import", "--config", config], { input: JSON.stringify(people), encoding: "utf8" });
    if (done.status !== 0) throw new Error(done.stderr);
  }
  const child = spawn(process.env.E2E_BINARY, ["serve", "--config", config], { stdio: ["ignore", "pipe", "pipe"] });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = new Promise((done) => child.once("close", done));
  const url = `http://127.0.0.1:${port}`;
  const said = [];
  createInterface({ input: child.stderr }).on("line", (line) => said.push(line));
  const code = await new Promise((found, no) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      said.push(line);
      if (people && line.startsWith("Listening on port")) found();
      const m = line.includes(`${url}/setup`) && /([A-Z0-9]{4,}(?:-[A-Z0-9]{4,})+)/.exec(line);
      if (m) found(m[1]);
    });
    ended.then(() => no(new Error(`the node ended:\n${said.join("\n")}`)));
  });
  return {
    url, exchange: `https://127.0.0.1:${exchange}`, code,
    async end() {
      process.removeListener("exit", kill);
      child.kill("SIGTERM");
      const late = setTimeout(kill, END);
      await ended;
      clearTimeout(late);
    },
  };
}

function freePort() {
  return new Promise((done, no) => {
    const server = createServer().once("error", no).listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}
