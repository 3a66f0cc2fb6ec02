/** The token: pasted, kept in memory, offered to no password manager. */

import type { App } from "../app.ts";
import { h } from "../dom.ts";
import { t } from "../i18n/language.ts";

export function tokenField(app: App): HTMLElement {
  const input = h("input", {
    id: "token", type: "password", autocomplete: "off", spellcheck: "false", "data-1p-ignore": true, "data-lpignore": "true",
    "aria-describedby": "token-note",
  });
  input.value = app.token;
  input.addEventListener("input", () => { app.token = input.value; });
  return h("div", { class: "token" }, h("label", { for: "token" }, t("token.label")), input,
    h("p", { class: "quiet small", id: "token-note" }, t("token.note")));
}
