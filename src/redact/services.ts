import { plainRow, type Detector } from './detector.ts';
import { charset, isIn, type Charset } from './runs.ts';
import { afterSeparator, has, type Shape } from './shapes.ts';

const { alnum, dash, hex, token68, base64, url } = charset;

/** How long a key is, in characters: exactly so many, or between these. */
type Chars = number | readonly [min: number, max: number];

/**
 * Services whose keys have no mark of their own: a key is what is assigned to a name with the service's name in it and a
 * word such as `key` or `token`. The capitalised and the upper-case form of the names are looked for too.
 */
const services: readonly (readonly [service: string, set: Charset, ...lengths: Chars[]])[] = [
  ['adafruit', dash, 32],
  ['algolia', alnum, 32],
  ['alibaba', alnum, 30],
  ['asana', alnum, 32],
  ['atlassian', alnum, 24],
  ['beamer', token68, 46],
  ['bitbucket', token68, 32, 64],
  ['bittrex', alnum, 32],
  ['cloudflare', dash, 37, 40],
  ['codecov', alnum, 32],
  ['cohere', alnum, 40],
  ['co_api_key', alnum, 40],
  ['coinbase', dash, 64],
  ['confluence', alnum, 24],
  ['confluent', alnum, 64],
  ['contentful', token68, 43],
  ['datadog', alnum, 32, 40],
  ['discord', token68, 32, 64],
  ['droneci', alnum, 32],
  ['dropbox', token68, 64, [130, 150]],
  ['etsy', alnum, 24],
  ['facebook', hex, 32],
  ['fastly', token68, 32],
  ['finicity', alnum, 20, 32],
  ['finnhub', alnum, 20],
  ['flickr', alnum, 32],
  ['freshbooks', alnum, 64],
  ['gitter', dash, 40],
  ['gocardless', token68, 45],
  ['heroku', dash, 36],
  ['hubspot', dash, 36],
  ['intercom', token68, 60],
  ['jfrog', alnum, 64, 73],
  ['artifactory', alnum, 64, 73],
  ['bintray', alnum, 64, 73],
  ['xray', alnum, 64, 73],
  ['jira', alnum, 24],
  ['kraken', token68, [80, 90]],
  ['kucoin', dash, 24, 36],
  ['launchdarkly', token68, 40],
  ['linear', hex, 32],
  ['lob', dash, 40, 41],
  ['looker', alnum, 24],
  ['mailgun', dash, 36, 39, 50],
  ['mapbox', token68, [80, 100]],
  ['mattermost', alnum, 26],
  ['meraki', hex, 40],
  ['messagebird', alnum, 25],
  ['message_bird', alnum, 25],
  ['message-bird', alnum, 25],
  ['netlify', token68, [40, 46]],
  ['newrelic', alnum, 64],
  ['new_relic', alnum, 64],
  ['new-relic', alnum, 64],
  ['nytimes', token68, 32],
  ['newyorktimes', token68, 32],
  ['okta', token68, 42],
  ['plaid', alnum, 30],
  ['private_ai', alnum, 32],
  ['private-ai', alnum, 32],
  ['privateai', alnum, 32],
  ['rapidapi', dash, 50],
  ['sendbird', alnum, 40],
  ['sentry', hex, 64],
  ['snyk', dash, 36],
  ['sonar', token68, 40, 44],
  ['squarespace', dash, 36],
  ['sumo', alnum, 64],
  ['travis', alnum, 22],
  ['twitch', alnum, 30],
  ['twitter', url, 25, [36, 66], [102, 130]],
  ['yandex', token68, 40, [90, 400]],
  ['zendesk', alnum, 40],
  ['aws_secret', base64, 40],
  ['awssecret', base64, 40],
  ['secretAccess', base64, 40],
  ['azure', token68, 44, 88],
  ['accountKey', token68, 88],
];

/** Writings of one service that share a name. */
const aliases: ReadonlyMap<string, string> = new Map([
  ['artifactory', 'jfrog-key'],
  ['bintray', 'jfrog-key'],
  ['xray', 'jfrog-key'],
  ['confluence', 'atlassian-key'],
  ['jira', 'atlassian-key'],
  ['co_api_key', 'cohere-key'],
  ['message_bird', 'messagebird-key'],
  ['message-bird', 'messagebird-key'],
  ['new_relic', 'newrelic-key'],
  ['new-relic', 'newrelic-key'],
  ['newyorktimes', 'nytimes-key'],
  ['private_ai', 'privateai-key'],
  ['private-ai', 'privateai-key'],
  ['aws_secret', 'aws-secret-key'],
  ['awssecret', 'aws-secret-key'],
  ['secretAccess', 'aws-secret-key'],
  ['accountKey', 'azure-key'],
]);

export const serviceDetectors: readonly Detector[] = services.map(([service, set, ...lengths]) => {
  return plainRow(aliases.get(service) ?? `${service}-key`, writings(service), assigned(set, lengths));
});

/** As names of variables and members are written; more forms would be more to look for everywhere. */
function writings(service: string): readonly string[] {
  const capital = service.charAt(0).toUpperCase() + service.slice(1);
  return [...new Set([service, capital, service.toUpperCase()])];
}

const nameCharsMax = 40;
const hintCharsBefore = 24;
/** Without one of these in its name, what is assigned is as likely an id, a version or a page. */
const hint = /key|token|secret|passw|auth|cred|pat\b/i;

/** The value assigned to a name that the literal stands in. */
function assigned(set: Charset, lengths: readonly Chars[]): Shape {
  return (runs, at, literal) => {
    const { text } = runs;
    const begin = at + literal.length;
    let end = begin;
    while (end < begin + nameCharsMax && isIn(text, end, charset.dotted)) end++;
    const from = afterSeparator(text, end);
    if (from === undefined || !hint.test(text.slice(Math.max(0, at - hintCharsBefore), end)))
      return undefined;
    const to = runs.end(from, set);
    const length = to - from;
    const fits = lengths.some((it) =>
      typeof it === 'number' ? it === length : it[0] <= length && length <= it[1],
    );
    if (!fits || isIn(text, to, charset.base64) || !has(text, from, to, /[0-9]/)) return undefined;
    return { from, to };
  };
}
