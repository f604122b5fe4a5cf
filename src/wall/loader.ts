import { Fault } from '../domain/faults.ts';
import type { ServerSpec } from '../domain/orders.ts';

/**
 * What the dynamic loader and the C library obey before a program begins (ld.so(8), environ(7)). The programs that build a
 * wall begin outside of it, as root perhaps: with a folder of the server's in LD_LIBRARY_PATH they would run its code there.
 */
const obeyedByLoaders = /^(?:LD_\w+|GLIBC_TUNABLES|GCONV_PATH|LOCPATH|NLSPATH|MALLOC_\w+)$/;

/** Those that a server's file sets. Throws `CONFIG_INVALID` for one that is a secret, which no command line may hold. */
export function loaderVariables({ name, env, secrets }: ServerSpec): readonly string[] {
  const secret = Object.keys(secrets).find((it) => obeyedByLoaders.test(it));
  if (secret !== undefined)
    throw new Fault('CONFIG_INVALID', {
      detail: `${name}: ${secret} is for the loader of programs, and cannot be a secret behind a wall`,
      hint: `take ${secret} out of [secrets] in servers/${name}.toml`,
    });
  return Object.keys(env).filter((it) => obeyedByLoaders.test(it));
}

/** A program that is given them when all of its wall stands. */
export function withLoaderVariables(spec: ServerSpec, program: readonly string[]): readonly string[] {
  const names = loaderVariables(spec);
  if (names.length === 0) return program;
  // env takes everything with an equals sign for a variable.
  const shell = program[0]?.includes('=') === true ? ['/bin/sh', '-c', 'exec "$@"', 'sh'] : [];
  return ['/usr/bin/env', ...names.map((it) => `${it}=${spec.env[it] ?? ''}`), ...shell, ...program];
}
