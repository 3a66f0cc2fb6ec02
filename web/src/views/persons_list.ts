/** Persons, one of whom can be shown alone. */

import type { Look } from "../app.ts";
import { h, icon } from "../dom.ts";
import { number, t } from "../i18n/language.ts";
import type { Result } from "../results/parsed_picture.ts";
import { nameOf } from "./part_names.ts";

export function personsList({ persons, labels }: Result, look: Look, changed: () => void): HTMLElement | null {
  if (persons.length === 0) return null;
  const choices: [HTMLButtonElement, number | null][] = [[h("button", { type: "button", class: "person" }, h("strong", {}, t("result.everybody"))), null]];
  persons.forEach(({ score, parts }, at) => {
    const names = parts.map((part) => nameOf(labels, part)).join(t("list.and"));
    const sure = t("result.sure", { percent: number(score * 100) });
    choices.push([h("button", { type: "button", class: "person" }, icon("person"),
      h("span", {}, h("strong", {}, t("result.person", { n: at + 1 })), " ", h("span", { class: "quiet small" }, sure), h("span", { class: "quiet small block" }, names))), at + 1]);
  });
  const draw = () => {
    for (const [button, who] of choices) button.setAttribute("aria-pressed", String(look.person === who));
  };
  for (const [button, who] of choices) {
    button.addEventListener("click", () => {
      look.person = look.person === who ? null : who;
      draw();
      changed();
    });
  }
  draw();
  return h("section", { class: "card" }, h("h2", {}, t("result.persons")),
    h("ul", { class: "plain persons" }, ...choices.map(([button]) => h("li", {}, button))));
}
