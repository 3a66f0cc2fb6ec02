/** The picture as it would leave, and its masks, to be moved, added and removed by pointer or keyboard. */

import { h } from "../dom.ts";
import { t } from "../i18n/language.ts";
import { newCanvas } from "../picture/canvas.ts";
import { type Mask, maskAt, moved, scaled } from "../picture/masks.ts";

export interface MaskEditor {
  readonly element: HTMLElement;
  /** Show another picture of the same size. */
  showPicture(picture: HTMLCanvasElement, label: string): void;
  showMasks(masks: readonly Mask[]): void;
  focus(mask: Mask): void;
}

export interface MaskActions {
  add(mask: Mask): void;
  change(mask: Mask): void;
  remove(mask: Mask): void;
}

const STEP = 0.01, BIG_STEP = 0.05, GROWTH = 1.12;

export function maskEditor(picture: HTMLCanvasElement, actions: MaskActions): MaskEditor {
  const { width, height } = picture;
  const screen = newCanvas(width, height);
  screen.setAttribute("role", "img");
  const layer = h("div", { class: "masks" });
  const frame = h("div", { class: "picture-frame" }, screen, layer);
  // Never wider than what keeps the whole picture in view.
  frame.style.setProperty("--ratio", String(width / height));
  const buttons = new Map<number, HTMLButtonElement>();
  const toPicture = (event: PointerEvent | MouseEvent): [number, number] => {
    const area = layer.getBoundingClientRect();
    return [((event.clientX - area.left) / area.width) * width, ((event.clientY - area.top) / area.height) * height];
  };
  layer.addEventListener("click", (event) => {
    if (event.target === layer) actions.add(maskAt(...toPicture(event), picture));
  });

  function buttonFor(mask: Mask, number: number): HTMLButtonElement {
    const button = buttons.get(mask.id) ?? h("button", { type: "button", class: "mask" });
    buttons.set(mask.id, button);
    button.setAttribute("aria-label", t("review.maskLabel", { n: number }));
    button.onkeydown = (event) => byKey(event, mask);
    button.onpointerdown = (event) => drag(event, button, mask);
    place(button, mask);
    return button;
  }

  function place(button: HTMLElement, mask: Mask): void {
    button.style.left = `${((mask.x - mask.radiusX) / width) * 100}%`;
    button.style.top = `${((mask.y - mask.radiusY) / height) * 100}%`;
    button.style.width = `${((2 * mask.radiusX) / width) * 100}%`;
    button.style.height = `${((2 * mask.radiusY) / height) * 100}%`;
  }

  function byKey(event: KeyboardEvent, mask: Mask): void {
    const step = Math.min(width, height) * (event.shiftKey ? BIG_STEP : STEP);
    const next: Record<string, () => void> = {
      ArrowLeft: () => actions.change(moved(mask, mask.x - step, mask.y, picture)),
      ArrowRight: () => actions.change(moved(mask, mask.x + step, mask.y, picture)),
      ArrowUp: () => actions.change(moved(mask, mask.x, mask.y - step, picture)),
      ArrowDown: () => actions.change(moved(mask, mask.x, mask.y + step, picture)),
      "+": () => actions.change(scaled(mask, GROWTH, picture)),
      "=": () => actions.change(scaled(mask, GROWTH, picture)),
      "-": () => actions.change(scaled(mask, 1 / GROWTH, picture)),
      Delete: () => actions.remove(mask),
      Backspace: () => actions.remove(mask),
    };
    if (!next[event.key]) return;
    event.preventDefault();
    next[event.key]!();
  }

  function drag(event: PointerEvent, button: HTMLButtonElement, mask: Mask): void {
    const [startX, startY] = toPicture(event);
    let current = mask;
    button.setPointerCapture(event.pointerId);
    button.onpointermove = (move) => {
      const [x, y] = toPicture(move);
      current = moved(mask, mask.x + x - startX, mask.y + y - startY, picture);
      place(button, current);
    };
    button.onpointerup = () => {
      button.onpointermove = button.onpointerup = null;
      if (current !== mask) actions.change(current);
    };
  }

  return {
    element: frame,
    showPicture(source, label) {
      screen.setAttribute("aria-label", label);
      screen.getContext("2d")!.drawImage(source, 0, 0);
    },
    showMasks(masks) {
      for (const [id, button] of buttons) {
        if (masks.some((mask) => mask.id === id)) continue;
        button.remove();
        buttons.delete(id);
      }
      // Appending what is there would take its focus away.
      masks.forEach((mask, at) => {
        const button = buttonFor(mask, at + 1);
        if (!button.isConnected) layer.append(button);
      });
    },
    focus: (mask) => buttons.get(mask.id)?.focus(),
  };
}
