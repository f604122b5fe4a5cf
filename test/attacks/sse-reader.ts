/** One event as a conforming reader dispatches it. */
export type SeenEvent = {
  readonly type: string;
  readonly data: string;
  readonly lastEventId: string;
  /** Set when a `retry` field came before or in it. */
  readonly retry: number | undefined;
};

/** Reads an event stream as the WHATWG HTML standard says (9.2.6): every CR, LF and CRLF ends a line. */
export function readEvents(stream: string): SeenEvent[] {
  const events: SeenEvent[] = [];
  let type = '';
  let data: string[] = [];
  let lastEventId = '';
  let retry: number | undefined;
  const lines = stream.replace(/^\ufeff/, '').split(/\r\n|\r|\n/);
  // What comes after the last line end is no line, and an event without its empty line is thrown away.
  for (const line of lines.slice(0, -1)) {
    if (line === '') {
      if (data.length > 0)
        events.push({ type: type || 'message', data: data.join('\n'), lastEventId, retry });
      type = '';
      data = [];
      continue;
    }
    if (line.startsWith(':')) continue;
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') type = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id' && !value.includes('\0')) lastEventId = value;
    else if (field === 'retry' && /^\d+$/.test(value)) retry = Number(value);
  }
  return events;
}
