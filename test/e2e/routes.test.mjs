// Runs last: a page that no test has inspected is red.
import assert from "node:assert/strict";
import { test } from "node:test";
import { noted } from "./lib/record.mjs";
import { patternOf, routes } from "./lib/routes.mjs";

const absent = [
  "/signin/oidc/{provider}", "/signin/oidc/{provider}/return", // lead on to a provider, of which the demo has none
  "/map/tiles.pmtiles", // is there after an import only
  "/agreements/forms/{form}/original", // is there when the operator has attached it
  "/feeds/{name}/originals/{id}", // is there when something was fetched, which no demo does
  "/subscribe/mine/{token}", // its address is in a mail alone
  "/cap/exercise/message/{id}", // is there when an exercise was published
  "/cap/area/{scheme}/{code}/feed.atom", "/cap/exercise/area/{scheme}/{code}/feed.atom", "/cap/exercise/feed.atom", "/cap/areas.json", // for programs; outlet's own tests read them
  "/api/alerts.geojson", "/api/alerts/public-address", "/outlet/{kind}/{id}/{file}",
  "/acknowledge/{token}", // is there when a message asked to be acknowledged
];

test("every page was inspected", () => {
  const all = routes();
  const seen = new Set([...noted("pages"), ...noted("others")].map((path) => patternOf(all, path)));
  assert.deepEqual(all.map((r) => r.pattern).filter((p) => !seen.has(p) && !absent.includes(p)), []);
});

test("every exception is a route", () => {
  const all = routes().map((r) => r.pattern);
  assert.deepEqual(absent.filter((p) => !all.includes(p)), []);
});
