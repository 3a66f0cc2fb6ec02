/** Something that takes a while: what it is at, how far it is, and a way to end it. */

export class Work {
  readonly #controller = new AbortController();
  /** Called at each change, by whichever view is drawn. */
  onChange: () => void = () => {};
  /** In the reader's language of the moment. */
  words: () => string = () => "";
  /** 0 to 1; null where nobody knows. */
  share: number | null = null;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  say(words: () => string, share: number | null = null): void {
    this.words = words;
    this.share = share;
    this.onChange();
  }

  cancel(): void {
    this.#controller.abort();
  }
}
