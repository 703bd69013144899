// The pictures of the guides are made by the run that tests the pages, so that they are
// never old: what a picture shows must be there in every language. They go beside the
// other pictures of the run; E2E_GUIDES=1 writes those of the guides anew.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startDemo } from "./lib/demo.mjs";

test("pictures of the guides", async (t) => {
  const demo = await startDemo();
  t.after(() => demo.end());
  const file = join(demo.dir, "demo.txt");
  writeFileSync(file, demo.said.join("\n"), { mode: 0o600 }); // holds passwords of the demo
  const done = spawnSync(process.execPath, ["guides.mjs", file, ...(process.env.E2E_GUIDES === "1" ? [] : [join("out", "guides")])], { stdio: ["ignore", "inherit", "inherit"] });
  assert.equal(done.status, 0);
});
