/** A real mcpd in front of the fixture server over stdio, with a policy that allows everything, upcalls included. */
import { serving, TestDaemon } from '../support/daemon.ts';

const everything = `[[rule]]
name = "everything"
verdict = "allow"
tools = ["*"]
resources = ["**", "test://**"]
prompts = ["*"]
upcalls = ["*"]
`;

/** The suite signs in nowhere: it needs a daemon whose owner said that keys are not wanted. */
const withoutKey = '[callers]\nwithout_key = "anyone on this machine may call"\n';

/** A call that lasts is let go of, and the client comes back for its answer: the suite tries that on one tool. */
const polled = '[sessions]\npoll_after = "1s"\n';

export async function serveConformance(): Promise<TestDaemon> {
  return TestDaemon.start({
    servers: { conformance: serving('conformance', everything) },
    daemon: `${withoutKey}${polled}`,
  });
}

export const endpoint = (daemon: TestDaemon): string => `${daemon.url}/servers/conformance/mcp`;
