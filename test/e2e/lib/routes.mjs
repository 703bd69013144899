// routes.mjs knows every page of the node: the list that a test of package app holds to
// the router, and the addresses that belong to a pattern of it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./texts.mjs";

// The start page shows a stranger the state of the node and leads others to their work;
// it needs no guard and is not on the list.
const unguarded = [{ pattern: "/{$}", who: "public" }];

/** All patterns that answer GET: {pattern, who}; who is "public" or an action of the rules. */
export function routes() {
  const lines = readFileSync(join(root, "internal", "app", "testdata", "routes.txt"), "utf8").split("\n");
  return [...unguarded, ...lines.map((l) => /^GET (\S+) (\S+)$/.exec(l)).filter(Boolean).map(([, pattern, who]) => ({ pattern, who }))];
}

const expression = (pattern) => new RegExp(`^${pattern.replace("{$}", "").replace(/[.+()[\]]/g, "\\$&").replace(/\{\w+\.\.\.\}/g, ".+").replace(/\{\w+\}/g, "[^/]+")}$`);

// A pattern without wildcards is more specific (spec: net/http, ServeMux).
const wild = (pattern) => (pattern.match(/\{\w/g) ?? []).length;

/** The pattern a path belongs to; undefined: none. */
export function patternOf(all, path) {
  return all.filter((r) => expression(r.pattern).test(path)).sort((a, b) => wild(a.pattern) - wild(b.pattern))[0]?.pattern;
}

/** The path of a pattern without wildcards; undefined for others. */
export const pathOf = (pattern) => (wild(pattern) === 0 ? pattern.replace("{$}", "") : undefined);

/**
 * What the server says to GET path with the window's cookies: {status, page}. A page is a
 * whole HTML document, no file, no stream and no part for scripts. Redirects are not followed.
 */
export async function ask(context, base, path) {
  const cookies = await context.cookies();
  const stop = new AbortController();
  const answer = await fetch(new URL(path, base), {
    headers: { accept: "text/html", cookie: cookies.map((c) => `${c.name}=${c.value}`).join("; ") },
    redirect: "manual", signal: stop.signal,
  });
  const html = (answer.headers.get("content-type") ?? "").startsWith("text/html");
  const page = html && /^<!doctype html>/i.test(await answer.text());
  stop.abort(); // a stream would not end
  return { status: answer.status, page };
}
