/** A question over the page, by the browser's own dialog: focus stays inside, Escape is no. */

import { h } from "../dom.ts";

export interface Question {
  readonly title: string;
  readonly body: readonly (HTMLElement | string)[];
  readonly cancel: string;
  readonly confirm: string;
  readonly danger?: boolean;
  /** False keeps the dialog open. */
  readonly onConfirm?: () => boolean;
}

/** Whether it was confirmed. */
export function openDialog({ title, body, cancel, confirm, danger, onConfirm }: Question): Promise<boolean> {
  return new Promise((resolve) => {
    let confirmed = false;
    const agree = () => {
      if (onConfirm && !onConfirm()) return;
      confirmed = true;
      dialog.close();
    };
    const yes = h("button", { type: "button", class: danger ? "button danger" : "button primary", onclick: agree }, confirm);
    const no = h("button", { type: "button", class: "button", autofocus: Boolean(danger), onclick: () => dialog.close() }, cancel);
    const heading = h("h2", { id: "dialog-title" }, title);
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, heading, ...body, h("div", { class: "actions" }, no, yes));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(confirmed);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
