import { describe, expect, it } from "vitest";
import { en, type Key } from "../src/i18n/en.ts";
import { preferred } from "../src/i18n/language.ts";
import { zh } from "../src/i18n/zh.ts";

const names = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

describe("dictionaries", () => {
  it("have the same keys", () => expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort()));
  it.each(Object.keys(en) as Key[])("%s is said, with the same values", (key) => {
    expect(zh[key].trim()).not.toBe("");
    expect(names(zh[key])).toEqual(names(en[key]));
  });
  it("are translated: no sentence is the same in both", () => {
    const same = (Object.keys(en) as Key[]).filter((key) => en[key] === zh[key]);
    expect(same).toEqual(["model.source"]);
  });
  it("count in pairs", () => {
    for (const key of Object.keys(en)) if (key.endsWith(".one")) expect(en).toHaveProperty([key.replace(/one$/, "other")]);
  });
});

describe("the first language that is known wins", () => {
  it.each([
    [["zh-TW", "en"], "zh"],
    [["de-DE", "en-GB", "zh"], "en"],
    [["fr"], "en"],
    [[], "en"],
  ] as const)("%j → %s", (preferences, wanted) => expect(preferred(preferences)).toBe(wanted));
});
