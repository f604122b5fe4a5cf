import { realClock } from './domain/clock.ts';
import type { JsonText } from './domain/message.ts';
import type { Contract } from './domain/orders.ts';
import type { Database } from './files/database.ts';
import { PinRows } from './pins/pin-rows.ts';
import { PinStore } from './pins/pin-store.ts';

export type PinsPlace = {
  readonly database: Database;
  readonly mode: (server: string) => Contract['pins'];
  readonly clean: (definition: JsonText) => string;
  readonly log: (level: 'info' | 'warn', fields: Record<string, unknown>, message: string) => void;
};

/** Of one listing, by name; a server may list ten thousand. */
const toldMax = 20;

/** The pins in the state's database; what goes into quarantine is told in the log. Throws `CONFIG_INVALID`. */
export function openPins({ database, mode, clean, log }: PinsPlace): PinStore {
  return PinStore.open({
    rows: PinRows.open(database),
    clock: realClock,
    mode,
    clean,
    told: ({ server, quarantined, freed }) => {
      for (const { tool, standing } of quarantined.slice(0, toldMax))
        log('warn', { server, tool, because: standing.because }, 'a tool is in quarantine: mcpd ctl pins');
      if (quarantined.length > toldMax)
        log('warn', { server, tools: quarantined.length }, 'so many tools are in quarantine: mcpd ctl pins');
      if (freed.length > 0)
        log('info', { server, tools: freed.slice(0, toldMax) }, 'tools are out of quarantine');
    },
  });
}
