import { runCli } from './cli/program.ts';
import { terminalIo } from './cli/io.ts';

/** What `mcpd …` runs. The exit codes are in `cli/exit.ts`. */
const code = await runCli(process.argv.slice(2), terminalIo());
// Where nothing failed the process ends by itself, so that a daemon that goes on is not cut off. Otherwise it ends here:
// PM2's channel, or a keychain that hangs, would keep it alive.
if (code !== 0) process.exit(code);
