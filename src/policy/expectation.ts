import type { Check, Condition } from '../domain/conditions.ts';

/**
 * What a condition wants, in words: `path: a path within /srv/project`. For people and for models. It never holds the
 * value that was found there, which may be a secret. At most so many characters.
 */
export function expectation(condition: Condition): string {
  return cut(`${condition.at}: ${wanted(condition)}`);
}

export const wordsCharsMax = 300;

export function cut(text: string): string {
  return text.length <= wordsCharsMax ? text : `${text.slice(0, wordsCharsMax - 2).toWellFormed()} …`;
}

function wanted({ absent, optional, checks }: Condition): string {
  if (absent) return 'must not be given';
  const words = checks.map(checkWords).join(', and ');
  return `${words === '' ? 'must be given' : words}${optional ? ', or left out' : ''}`;
}

function checkWords(check: Check): string {
  switch (check.kind) {
    case 'type':
      return `of type ${check.type}`;
    case 'one-of':
      return check.values.length === 1
        ? `exactly ${JSON.stringify(check.values[0])}`
        : `one of ${some(check.values.map((it) => JSON.stringify(it)))}`;
    case 'length':
      return `${span(check.min, check.max)} long`;
    case 'range':
      return `a number ${span(check.min, check.max)}`;
    case 'text':
      return `a text like ${some([...check.like, ...check.matches].map((it) => JSON.stringify(it)))}`;
    case 'url':
      return urlWords(check);
    case 'within':
      return `a path within ${some(check.folders)}`;
    case 'not':
      return `not (${check.checks.map(checkWords).join(', and ')})`;
  }
}

function urlWords({ schemes, hosts, ports, paths }: Extract<Check, { kind: 'url' }>): string {
  const more = [
    ...(ports === undefined ? [] : [`port ${some(ports.map(String))}`]),
    ...(paths === undefined ? [] : [`path ${some(paths)}`]),
  ];
  return [`a URL with scheme ${some(schemes)}`, `host ${some(hosts)}`, ...more].join(', ');
}

function span(min: number, max: number): string {
  if (max === Number.POSITIVE_INFINITY) return `at least ${min}`;
  if (min === Number.NEGATIVE_INFINITY || min === 0) return `at most ${max}`;
  return `from ${min} to ${max}`;
}

const shownMax = 8;

function some(words: readonly string[]): string {
  if (words.length === 0) return 'nothing at all';
  const more = words.length > shownMax ? ` and ${words.length - shownMax} more` : '';
  return `${words.slice(0, shownMax).join(' or ')}${more}`;
}
