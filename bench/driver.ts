// The process that makes the calls and takes the time. It is apart from the one that starts gateways and reads their
// memory, so that neither work is in the other's figures. It does one errand at a time and ends with its parent.
import type { Caller } from './caller.ts';
import type { Errand, Opened, Report } from './errand.ts';
import { HttpCaller } from './http-caller.ts';
import { runSlice } from './slice.ts';
import { StdioLine } from './stdio-caller.ts';
import { expecting } from './verdict.ts';

const parties = new Map<string, Caller[]>();
const lines: StdioLine[] = [];
const openAtOnce = 8;

process.on('message', (errand: Errand) => {
  carryOut(errand).then(report, (reason: unknown) => report({ kind: 'failed', reason: String(reason) }));
});
process.on('disconnect', () => process.exit(0));

function report(report: Report): void {
  process.send?.(report);
}

async function carryOut(errand: Errand): Promise<Report> {
  switch (errand.do) {
    case 'open':
      return { kind: 'opened', opened: await open(errand) };
    case 'slice':
      return { kind: 'slice', slice: await runSlice(parties.get(errand.target) ?? [], errand.forMs) };
    case 'close':
      for (const caller of [...parties.values()].flat()) caller.close();
      for (const line of lines.splice(0)) line.close();
      parties.clear();
      return { kind: 'closed' };
  }
}

async function open({ target, reach, sessions, ask }: Extract<Errand, { do: 'open' }>): Promise<Opened> {
  const expected = expecting(ask.bytes);
  const callers: Caller[] = [];
  parties.set(target, callers);
  const begin = performance.now();
  let pid: number | undefined;
  if (reach.kind === 'stdio') {
    const line = new StdioLine(reach.command);
    lines.push(line);
    await line.open();
    pid = line.pid;
    for (let session = 0; session < sessions; session += 1) callers.push(line.caller(session, ask, expected));
  } else {
    for (let from = 0; from < sessions; from += openAtOnce) {
      const some = Array.from({ length: Math.min(openAtOnce, sessions - from) }, (_, index) => from + index);
      callers.push(
        ...(await Promise.all(
          some.map((session) => HttpCaller.open(reach.endpoint, session, ask, expected)),
        )),
      );
    }
  }
  return { pid, perSessionMs: (performance.now() - begin) / sessions };
}
