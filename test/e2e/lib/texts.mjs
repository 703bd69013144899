// texts.mjs knows what pages say: the locale files of all packages, by key. Tests find
// things by these texts, so that a changed wording breaks nothing and a missing one does.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const every = ["cs", "de", "pl", "en"];
export const languages = process.env.E2E_LANGUAGES?.split(",") ?? every;
export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");

const all = Object.fromEntries(every.map((l) => [l, {}]));
for (const name of readdirSync(join(root, "internal"), { recursive: true })) {
  const found = /(?:^|\/)locales\/(cs|de|pl|en)\.json$/.exec(name);
  if (found) Object.assign(all[found[1]], JSON.parse(readFileSync(join(root, "internal", name), "utf8")));
}

function form(lang, key, n) {
  const text = all[lang][key];
  if (text === undefined) throw new Error(`no text ${key} in ${lang}`);
  if (typeof text === "string") return text;
  return text[n === undefined ? "other" : new Intl.PluralRules(lang).select(n)] ?? text.other;
}

/** The text of a key; its placeholders are filled from args. */
export function text(lang, key, args = {}) {
  return form(lang, key, args.n).replace(/\{(\w+)\}/g, (all, name) => {
    if (!(name in args)) throw new Error(`${key} wants ${name}`);
    return args[name];
  });
}

const escape = (s) => s.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+");

/** Matches the text of a key whatever stands in the placeholders that args leaves out. */
export function like(lang, key, args = {}) {
  const source = form(lang, key, args.n).split(/(\{\w+\})/).map((part) => {
    const name = /^\{(\w+)\}$/.exec(part)?.[1];
    if (!name) return escape(part);
    return name in args ? escape(String(args[name])) : ".+";
  });
  return new RegExp(source.join(""), "u");
}
