/**
 * Secrets in the daemon's own environment. Each is taken out of it when it is first asked for, so that neither a child nor a
 * report of the process holds it; what the kernel shows in /proc stays as it was at the start, and so does what a process
 * manager remembers, which makes this the weakest place for a secret.
 */
export class OwnEnvironment {
  readonly #env: Record<string, string | undefined>;
  readonly #taken = new Map<string, string>();

  /** `env`: usually `process.env`; variables disappear from it. */
  constructor(env: Record<string, string | undefined>) {
    this.#env = env;
  }

  /** Undefined when there is no such variable. */
  take(name: string): string | undefined {
    const value = this.#env[name];
    if (value !== undefined) {
      this.#taken.set(name, value);
      delete this.#env[name];
    }
    return this.#taken.get(name);
  }

  /** A variable that may stay where it is. */
  look(name: string): string | undefined {
    return this.#taken.get(name) ?? this.#env[name];
  }
}
