/** A JPEG's file with nothing in it but the picture. */

const START = 0xd8, SCAN = 0xda, FIRST_APP = 0xe0, LAST_APP = 0xef, COMMENT = 0xfe, ADOBE = 0xee;

/**
 * Without what browsers add of their own, such as a colour profile. JFIF's header stays, and Adobe's note on colours,
 * without which some pictures would come out in others.
 */
export function withoutMetadata(jpeg: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  if (jpeg[0] !== 0xff || jpeg[1] !== START) throw new Error("not a JPEG");
  const kept = [jpeg.subarray(0, 2)];
  for (let at = 2; at + 4 <= jpeg.length; ) {
    const marker = jpeg[at + 1]!;
    if (jpeg[at] !== 0xff) throw new Error("a damaged JPEG");
    if (marker === SCAN) return [...kept, jpeg.subarray(at)];
    const end = at + 2 + ((jpeg[at + 2]! << 8) | jpeg[at + 3]!);
    const isNote = (marker > FIRST_APP && marker <= LAST_APP && marker !== ADOBE) || marker === COMMENT;
    if (!isNote) kept.push(jpeg.subarray(at, end));
    at = end;
  }
  throw new Error("a JPEG without a picture");
}
