/** Names and colours of the parts of the network in the browser, which need not be that of the service. */

import type { Label } from "../results/parsed_picture.ts";

const GOLDEN = 0.61803, SATURATION = 0.75, VALUE = 0.95;

/** As the service describes a part of that name; otherwise its English name, and a hue far from its neighbours'. */
export function describe(names: readonly string[], known: readonly Label[]): Label[] {
  return names.map((name, id) => {
    const same = known.find((label) => label.name === name);
    return { id, name, name_zh: same?.name_zh ?? name, colour: same?.colour ?? (id === 0 ? "#000000" : hue((id - 1) * GOLDEN)) };
  });
}

/** The colour of a hue, of which 1 is the whole circle. */
function hue(turn: number): string {
  const channel = (offset: number) => {
    const sixth = (offset + (turn % 1) * 6) % 6;
    const value = VALUE - VALUE * SATURATION * Math.max(0, Math.min(sixth, 4 - sixth, 1));
    return Math.round(value * 255).toString(16).padStart(2, "0");
  };
  return `#${channel(5)}${channel(3)}${channel(1)}`;
}
