declare module "virtual:runtime-files" {
  export const glueUrl: string;
  export const wasmUrl: string;
}
