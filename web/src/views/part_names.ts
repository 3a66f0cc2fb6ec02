/** Names of parts in the reader's language. */

import { language } from "../i18n/language.ts";
import type { Label } from "../results/parsed_picture.ts";

/** "Left-arm" becomes "Left arm", "UpperClothes" "Upper clothes". */
export function partName(label: Pick<Label, "name" | "name_zh">): string {
  return language() === "zh" ? label.name_zh : readable(label.name);
}

/** The same for a name as the service says it. */
export function nameOf(labels: readonly Label[], name: string): string {
  const label = labels.find((candidate) => candidate.name === name);
  return label ? partName(label) : name;
}

export function readable(name: string): string {
  const words = name.replaceAll(/[-_]/g, " ").replaceAll(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
