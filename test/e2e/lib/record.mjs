// record.mjs remembers over all files of a run which addresses were inspected as pages and
// which turned out to be something else: files, streams, what scripts ask for.
import { appendFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./texts.mjs";

/** The folder of everything a run leaves. */
export const out = join(root, "test", "e2e", "out");

/** Notes an address under "pages" or "others". */
export function note(kind, url) {
  mkdirSync(out, { recursive: true });
  appendFileSync(join(out, `${kind}.txt`), `${new URL(url).pathname}\n`);
}

/** The paths noted so far. */
export function noted(kind) {
  try {
    return [...new Set(readFileSync(join(out, `${kind}.txt`), "utf8").split("\n").filter(Boolean))];
  } catch {
    return []; // nothing yet
  }
}
