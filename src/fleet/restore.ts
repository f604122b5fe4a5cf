/** Requests of ours that one child is given at once while it is brought to where its predecessor was. */
const atOnceMax = 16;

/** Does something about each item, a few at a time. At the first rejection no more are begun, and it rejects. */
export async function aFewAtATime<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]();
  let failed = false;
  const worker = async () => {
    for (let next = left.next(); next.done !== true && !failed; next = left.next()) {
      try {
        await work(next.value);
      } catch (reason) {
        failed = true;
        throw reason;
      }
    }
  };
  await Promise.all(Array.from({ length: atOnceMax }, worker));
}
