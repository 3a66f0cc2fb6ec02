/** COCO's run lengths: columns first, zeros first, and packed into text as pycocotools packs them. */

/** Lengths of runs of pixels outside and inside the mask, in turn, down one column after the other. */
export function runLengths(inside: (at: number) => boolean, width: number, height: number): number[] {
  const runs: number[] = [];
  let current = false, length = 0;
  for (let column = 0; column < width; column++) {
    for (let row = 0; row < height; row++) {
      if (inside(row * width + column) === current) {
        length++;
        continue;
      }
      runs.push(length);
      current = !current;
      length = 1;
    }
  }
  runs.push(length);
  return runs;
}

/** The mask of run lengths, row by row. */
export function fromRunLengths(runs: readonly number[], width: number, height: number): Uint8Array {
  const mask = new Uint8Array(width * height);
  let at = 0;
  runs.forEach((length, index) => {
    for (let end = at + length; at < end; at++) if (index % 2) mask[(at % height) * width + Math.floor(at / height)] = 1;
  });
  return mask;
}

/** Each run as its difference from the one before the last, five bits a character. */
export function packRuns(runs: readonly number[]): string {
  let text = "";
  runs.forEach((run, index) => {
    let value = index > 2 ? run - runs[index - 2]! : run;
    for (let more = true; more; ) {
      let five = value & 0x1f;
      value >>= 5;
      more = five & 0x10 ? value !== -1 : value !== 0;
      if (more) five |= 0x20;
      text += String.fromCharCode(five + 48);
    }
  });
  return text;
}

/** The way back. */
export function unpackRuns(text: string): number[] {
  const runs: number[] = [];
  for (let at = 0; at < text.length; ) {
    let value = 0, shift = 0, five = 0x20;
    while (five & 0x20) {
      five = text.charCodeAt(at++) - 48;
      value |= (five & 0x1f) << shift;
      shift += 5;
    }
    if (five & 0x10) value |= -1 << shift;
    runs.push(runs.length > 2 ? value + runs[runs.length - 2]! : value);
  }
  return runs;
}
