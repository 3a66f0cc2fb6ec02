import type { Parsed } from "./assemble.ts";
import type { Pixels } from "./resample.ts";
import type { Progress } from "./runtime.ts";
import type { Label } from "../results/parsed_picture.ts";
export interface Parser { labels: readonly Label[]; parse(picture: Pixels): Promise<Parsed>; }
export async function openParser(_: Progress): Promise<Parser> { throw new Error("soon"); }
