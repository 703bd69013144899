// The pictures of the guides are made by the run that tests the pages, so that they are
// never old: E2E_GUIDES=1 writes them anew.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startDemo } from "./lib/demo.mjs";

test("pictures of the guides", { skip: process.env.E2E_GUIDES === "1" ? false : "only with E2E_GUIDES=1" }, async (t) => {
  const demo = await startDemo();
  t.after(() => demo.end());
  const file = join(demo.dir, "demo.txt");
  writeFileSync(file, demo.said.join("\n"), { mode: 0o600 }); // holds passwords of the demo
  const done = spawnSync(process.execPath, ["guides.mjs", file], { stdio: ["ignore", "inherit", "inherit"] });
  assert.equal(done.status, 0);
});
