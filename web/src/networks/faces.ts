import type { Box } from "./assemble.ts";
export interface Face { readonly box: Box; readonly score: number; }
