/** The picture, its colours above it, and a label at the pointer or at a cross that arrow keys move. */

import type { Look } from "../app.ts";
import { h } from "../dom.ts";
import { t } from "../i18n/language.ts";
import { newCanvas } from "../picture/canvas.ts";
import type { PartMap, Result } from "../results/parsed_picture.ts";
import { edges, paint } from "../results/recolour.ts";
import { partName } from "./part_names.ts";

const CROSS_STEP = 0.02;

export interface Stage {
  readonly element: HTMLElement;
  /** The colours anew. */
  paint(): void;
  /** Opacity and the line between before and after. */
  place(): void;
  /** The picture as it is seen. */
  drawn(): HTMLCanvasElement;
}

export function stage(result: Result, map: PartMap, look: Look): Stage {
  const { picture, labels } = result;
  const base = newCanvas(picture.width, picture.height);
  base.getContext("2d")!.drawImage(picture, 0, 0);
  const colours = newCanvas(map.width, map.height);
  colours.className = "colours";
  const context = colours.getContext("2d")!;
  const image = context.createImageData(map.width, map.height);
  const marks = edges(map);
  const line = h("div", { class: "line" });
  const pointer = pointerLabel(result, map);
  // One picture for who cannot see it, with a keyboard's cross to read it out.
  const element = h("div", { class: "picture-frame", role: "application", tabindex: 0, "aria-label": t("result.picture") }, base, colours, line, ...pointer.elements);
  element.style.setProperty("--ratio", String(picture.width / picture.height));
  pointer.listen(element);

  const place = () => {
    const left = `${(1 - look.revealed) * 100}%`;
    colours.style.opacity = String(look.opacity);
    colours.style.clipPath = `inset(0 0 0 ${left})`;
    line.style.left = left;
    line.hidden = look.revealed === 0 || look.revealed === 1;
  };
  const repaint = () => {
    paint(map, marks, labels, look, image.data);
    context.putImageData(image, 0, 0);
  };
  repaint();
  place();
  return { element, paint: repaint, place, drawn: () => together(base, colours, look.opacity) };
}

function together(base: HTMLCanvasElement, colours: HTMLCanvasElement, opacity: number): HTMLCanvasElement {
  const both = newCanvas(base.width, base.height);
  const context = both.getContext("2d")!;
  context.drawImage(base, 0, 0);
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = false; // a coarser map stays what it is
  context.drawImage(colours, 0, 0, base.width, base.height);
  return both;
}

/** What is under a point of the picture, in words, beside it. */
function pointerLabel({ labels, persons }: Result, map: PartMap) {
  const words = h("div", { class: "bubble", hidden: true });
  const cross = h("div", { class: "cross", hidden: true });
  const live = h("p", { class: "hidden", role: "status" });
  let x = 0.5, y = 0.5;

  const wordsAt = (): string => {
    const at = Math.min(Math.floor(y * map.height), map.height - 1) * map.width + Math.min(Math.floor(x * map.width), map.width - 1);
    const label = labels.find(({ id }) => id === map.parts[at]);
    if (!label || label.id === 0) return t("result.background");
    const owner = map.owners[at]!;
    return owner > 0 && persons.length > 1 ? `${partName(label)} · ${t("result.person", { n: owner })}` : partName(label);
  };
  const show = (withCross: boolean) => {
    words.textContent = wordsAt();
    for (const element of [words, cross]) {
      element.style.left = `${x * 100}%`;
      element.style.top = `${y * 100}%`;
    }
    words.classList.toggle("leftwards", x > 0.6);
    words.classList.toggle("upwards", y > 0.85);
    words.hidden = false;
    cross.hidden = !withCross;
  };
  const hide = () => { words.hidden = cross.hidden = true; };

  function listen(element: HTMLElement): void {
    const follow = (event: PointerEvent) => {
      const area = element.getBoundingClientRect();
      x = Math.min(Math.max((event.clientX - area.left) / area.width, 0), 1);
      y = Math.min(Math.max((event.clientY - area.top) / area.height, 0), 1);
      show(false);
    };
    element.addEventListener("pointermove", follow);
    element.addEventListener("pointerdown", follow);
    element.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
    element.addEventListener("blur", hide);
    element.addEventListener("keydown", (event) => {
      const move: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const by = move[event.key];
      if (!by) return;
      event.preventDefault();
      const step = CROSS_STEP * (event.shiftKey ? 5 : 1);
      x = Math.min(Math.max(x + by[0] * step, 0), 1);
      y = Math.min(Math.max(y + by[1] * step, 0), 1);
      show(true);
      live.textContent = words.textContent;
    });
  }
  return { elements: [cross, words, live], listen };
}
