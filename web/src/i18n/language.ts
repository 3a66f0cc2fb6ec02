/** The words of the page, in the reader's language. The choice is kept in memory alone. */

import { en, type Key } from "./en.ts";
import { zh } from "./zh.ts";

export type Language = "en" | "zh";
export type Values = Readonly<Record<string, string | number>>;
/** Keys that have a form for one and a form for more. */
export type Counted = { [K in Key]: K extends `${infer Stem}.one` ? Stem : never }[Key];

const DICTIONARIES: Readonly<Record<Language, Readonly<Record<Key, string>>>> = { en, zh };
const TAGS: Readonly<Record<Language, string>> = { en: "en", zh: "zh-CN" };

let current: Language = "en";

/** The first preference that is known. */
export function preferred(preferences: readonly string[]): Language {
  for (const tag of preferences) {
    if (tag.toLowerCase().startsWith("zh")) return "zh";
    if (tag.toLowerCase().startsWith("en")) return "en";
  }
  return "en";
}

export function language(): Language {
  return current;
}

/** Speak another language from now on. */
export function speak(next: Language): void {
  current = next;
  document.documentElement.lang = TAGS[next];
  document.title = t("app.title");
}

/** The words for a key, with {names} filled in. */
export function t(key: Key, values: Values = {}): string {
  return DICTIONARIES[current][key].replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

/** The same for a counted thing. */
export function tn(stem: Counted, n: number, values: Values = {}): string {
  const form = new Intl.PluralRules(TAGS[current]).select(n) === "one" ? "one" : "other";
  return t(`${stem}.${form}` as Key, { n: number(n), ...values });
}

/** A number as the reader writes it. */
export function number(value: number, digits = 0): string {
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(TAGS[current], format).format(value);
}

/** A share of one in percent; small ones are not called nothing. */
export function percent(share: number): string {
  const format = { style: "percent", maximumFractionDigits: share < 0.1 ? 1 : 0 } as const;
  const words = new Intl.NumberFormat(TAGS[current], format).format(Math.max(share, share > 0 ? 0.001 : 0));
  return share > 0 && share < 0.001 ? `<${words}` : words;
}
