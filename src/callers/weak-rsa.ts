const bitsMin = 2048;
/** A check with a longer one takes so long that a token would be a way to keep us busy. */
const bitsMax = 8192;
const exponentMax = 2 ** 32;

/** Whether an RSA public key, members as in a JWK (RFC 7518 section 6.3.1), must not be believed. */
export function isWeakRsa(n: unknown, e: unknown): boolean {
  const modulus = number(n);
  const exponent = number(e);
  if (modulus === undefined || exponent === undefined) return true;
  const bits = modulus.toString(2).length;
  if (bits < bitsMin || bits > bitsMax || modulus % 2n === 0n) return true;
  // With an exponent of 1 every message is its own signature.
  if (exponent < 3n || exponent > exponentMax || exponent % 2n === 0n) return true;
  return isOfBrokenLibrary(modulus);
}

/**
 * CVE-2017-15361 (ROCA): a library of smart cards made primes of the form `k * M + 65537^a mod M`, M the product of small
 * primes, which can be factored. Modulo each of those, such a modulus is a power of 65537; of another, hardly ever all.
 */
function isOfBrokenLibrary(modulus: bigint): boolean {
  return powers.every(([prime, those]) => those.has(modulus % prime));
}

const primes = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101,
];
const powers: readonly (readonly [prime: bigint, powers: ReadonlySet<bigint>])[] = [
  ...primes,
  103,
  107,
  109,
  113,
  127,
  131,
  137,
  139,
  149,
  151,
  157,
  163,
  167,
].map((it) => [BigInt(it), powersOf(65_537n, BigInt(it))]);

function powersOf(base: bigint, prime: bigint): ReadonlySet<bigint> {
  const found = new Set<bigint>();
  for (let power = 1n; !found.has(power); power = (power * base) % prime) found.add(power);
  return found;
}

function number(text: unknown): bigint | undefined {
  if (typeof text !== 'string' || text === '' || text.length > 2048 || !/^[A-Za-z0-9_-]+$/.test(text))
    return undefined;
  const hex = Buffer.from(text, 'base64url').toString('hex');
  return hex === '' ? undefined : BigInt(`0x${hex}`);
}
