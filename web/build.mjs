// build.mjs copies what pages need of third parties into dist/, which package web
// embeds: the font subsets, the map renderer and outlines of the three countries.
// Run by `make assets` after `npm ci`. It fetches nothing and bundles nothing.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync } from "node:zlib";
import { feature } from "topojson-client";
import { presimplify, quantile, simplify } from "topojson-simplify";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "node_modules");
const dist = join(here, "dist");

mkdirSync(dist, { recursive: true });
for (const name of readdirSync(dist)) if (name !== "README") rmSync(join(dist, name), { recursive: true });

/* Fonts: two families, two subsets each, upright. */

const families = [
  { short: "next", pack: "@fontsource-variable/atkinson-hyperlegible-next", css: "Atkinson Hyperlegible Next Variable" },
  { short: "mono", pack: "@fontsource-variable/atkinson-hyperlegible-mono", css: "Atkinson Hyperlegible Mono Variable" },
];

// The version in an address is the one the server computes: 6 bytes of SHA-256.
const version = (bytes) => createHash("sha256").update(bytes).digest("hex").slice(0, 12);

// characters reads the code points a WOFF2 file has glyphs for, from its cmap table
// (spec: WOFF File Format 2.0, §4; OpenType 1.9, cmap formats 4 and 12).
function characters(file) {
  const tags = 63; // a tag index of 63 means that the tag is written out
  const count = file.readUInt16BE(12);
  let at = 48;
  const base128 = () => {
    let n = 0;
    for (let i = 0; i < 5; i++) {
      const b = file[at++];
      n = n * 128 + (b & 0x7f);
      if (!(b & 0x80)) return n;
    }
    throw new Error("bad length in a font");
  };
  let offset = 0;
  let cmap;
  for (let i = 0; i < count; i++) {
    const flags = file[at++];
    const index = flags & 0x3f;
    if (index === tags) at += 4;
    const length = base128();
    const glyphs = index === 10 || index === 11; // glyf, loca: transformed unless version 3
    const transformed = glyphs ? flags >> 6 !== 3 : flags >> 6 !== 0;
    const stored = transformed ? base128() : length;
    if (index === 0) cmap = [offset, length];
    offset += stored;
  }
  const data = brotliDecompressSync(file.subarray(at, at + file.readUInt32BE(20)));
  const table = data.subarray(cmap[0], cmap[0] + cmap[1]);
  const found = new Set();
  for (let i = 0; i < table.readUInt16BE(2); i++) {
    const sub = table.subarray(table.readUInt32BE(4 + 8 * i + 4));
    if (sub.readUInt16BE(0) === 12) {
      for (let g = 0; g < sub.readUInt32BE(12); g++) {
        for (let c = sub.readUInt32BE(16 + 12 * g); c <= sub.readUInt32BE(20 + 12 * g); c++) found.add(c);
      }
    } else if (sub.readUInt16BE(0) === 4) {
      const segments = sub.readUInt16BE(6) / 2;
      for (let s = 0; s < segments; s++) {
        const end = sub.readUInt16BE(14 + 2 * s);
        const start = sub.readUInt16BE(16 + 2 * segments + 2 * s);
        for (let c = start; c <= end && c !== 0xffff; c++) found.add(c);
      }
    }
  }
  return [...found].sort((a, b) => a - b);
}

function ranges(points) {
  const all = [];
  for (const p of points) {
    const last = all.at(-1);
    if (last && last[1] === p - 1) last[1] = p;
    else all.push([p, p]);
  }
  return all;
}

let css = "/* Written by web/build.mjs. */\n";
const shipped = {};
for (const f of families) {
  const unicode = JSON.parse(readFileSync(join(modules, f.pack, "unicode.json")));
  const points = new Set();
  for (const subset of ["latin-ext", "latin"]) {
    const bytes = readFileSync(join(modules, f.pack, "files", `${f.pack.split("/")[1]}-${subset}-wght-normal.woff2`));
    const name = `${f.short}-${subset}.woff2`;
    writeFileSync(join(dist, name), bytes);
    for (const p of characters(bytes)) points.add(p);
    css += `@font-face { font-family: "${f.css}"; font-style: normal; font-display: swap; font-weight: 200 800; src: url("${name}?v=${version(bytes)}") format("woff2"); unicode-range: ${unicode[subset]}; }\n`;
  }
  shipped[f.short] = ranges([...points].sort((a, b) => a - b));
}
writeFileSync(join(dist, "fonts.css"), css);
writeFileSync(join(dist, "ranges.json"), JSON.stringify(shipped));

/* Map renderer. Pictures in its style sheet become files: our policy allows no data: address. */

const map = join(modules, "maplibre-gl", "dist");
for (const name of ["maplibre-gl.mjs", "maplibre-gl-worker.mjs"]) {
  writeFileSync(join(dist, name), readFileSync(join(map, name), "utf8").replace(/\n?\/\/# sourceMappingURL=.*\n?$/, "\n"));
}
// The reader of imported base maps; a classic script that defines the global pmtiles.
writeFileSync(join(dist, "pmtiles.js"), readFileSync(join(modules, "pmtiles", "dist", "pmtiles.js"), "utf8").replace(/\n?\/\/# sourceMappingURL=.*\n?$/, "\n"));
const pictures = new Map(); // content → name: the sheet repeats some
const style = readFileSync(join(map, "maplibre-gl.css"), "utf8").replace(/url\((['"]?)data:image\/svg\+xml;(charset=utf-8|utf8|base64),(.*?)\1\)/g, (_, _quote, coding, data) => {
  const svg = coding === "base64" ? Buffer.from(data, "base64") : Buffer.from(decodeURIComponent(data));
  const key = version(svg);
  const name = pictures.get(key) ?? `maplibre-${pictures.size + 1}.svg`;
  pictures.set(key, name);
  writeFileSync(join(dist, name), svg);
  return `url("${name}?v=${key}")`;
});
if (style.includes("data:")) throw new Error("the map's style sheet still holds a data: address");
writeFileSync(join(dist, "maplibre-gl.css"), style);

/* Outlines for what lies around the region: Natural Earth 1:10m by way of world-atlas,
   approximate. The region itself comes from our own register. */

const KEEP = 0.35; // share of the points that stay: about 500 m, enough for a picture of the region
const codes = { 203: "CZ", 276: "DE", 616: "PL" };
const atlas = presimplify(JSON.parse(readFileSync(join(modules, "world-atlas", "countries-10m.json"))));
const three = { type: "GeometryCollection", geometries: atlas.objects.countries.geometries.filter((g) => codes[Number(g.id)]) };
const simple = simplify({ ...atlas, objects: { three } }, quantile(atlas, 1 - KEEP));
const round = (value) => (typeof value === "number" ? Math.round(value * 1e4) / 1e4 : Array.isArray(value) ? value.map(round) : value);
const countries = {
  type: "FeatureCollection",
  features: feature(simple, simple.objects.three).features.map((f) => ({
    type: "Feature", id: codes[Number(f.id)], properties: { country: codes[Number(f.id)] },
    geometry: { type: f.geometry.type, coordinates: round(f.geometry.coordinates) },
  })),
};
writeFileSync(join(dist, "countries.json"), JSON.stringify(countries));

/* Licences of what was copied. */

const packs = [...families.map((f) => f.pack), "maplibre-gl", "pmtiles", "fflate", "world-atlas"];
writeFileSync(join(dist, "LICENSES.txt"), packs.map((p) => {
  const file = readdirSync(join(modules, p)).find((n) => /^licen[cs]e/i.test(n));
  const { version: v, license } = JSON.parse(readFileSync(join(modules, p, "package.json")));
  return `${p} ${v} (${license})\n\n${file ? readFileSync(join(modules, p, file), "utf8") : ""}`;
}).join("\n\n----\n\n"));
