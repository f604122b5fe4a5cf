/** Lines that must not compile. `npm run typecheck` fails when one of them does. */
import type { Arrival, Call } from '../../src/domain/call.ts';
import type { Consent, Decision, Denial, Permit, Receipt } from '../../src/domain/decision.ts';
import type { JsonText } from '../../src/domain/message.ts';
import { Pass, type Grounds } from '../../src/domain/pass.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import type { DataPlane } from '../../src/call/data-plane.ts';

declare const plane: DataPlane;
declare const arrival: Arrival;
declare const call: Call;
declare const denial: Denial;
declare const permit: Permit;
declare const receipt: Receipt;
declare const consent: Consent;
declare const decision: Decision;
declare const grounds: Grounds;
declare const text: JsonText;

// @ts-expect-error a denial cannot be put to a person
void plane.gate.ask(call, denial);
// @ts-expect-error a decision that may be a denial cannot be charged
void plane.limits.charge(plane.orders.current(), call, decision);
// @ts-expect-error a call without its grounds cannot be forwarded
void plane.fleet.forward(call);
// @ts-expect-error a pass cannot be made by hand
void plane.fleet.forward({ call, grounds });
// @ts-expect-error nor by its constructor
new Pass(grounds);
// @ts-expect-error the grounds need a receipt: a call that was not charged has no pass
const _noReceipt: Grounds = {
  call,
  permit,
  approval: { kind: 'approved', by: 'x' },
  ordersVersion: '',
  attempt: 1,
  stands: () => true,
};
// @ts-expect-error and an approval, which a refusal is not, nor a question that the caller was given
const _noApproval: Grounds['approval'] = consent;
// @ts-expect-error and a way to ask whether they still stand
const _noStanding: Grounds = {
  call,
  permit,
  receipt,
  approval: { kind: 'approved', by: 'x' },
  ordersVersion: '',
  attempt: 1,
};
// @ts-expect-error and the number of the try, so that none goes out without an intent of its own
const _noAttempt: Grounds = {
  call,
  permit,
  receipt,
  approval: { kind: 'approved', by: 'x' },
  ordersVersion: '',
  stands: () => true,
};
// @ts-expect-error a receipt gives its place back
const _noEnd: Receipt = { kind: 'paid', would: undefined };
// @ts-expect-error a denial is not observed: it is carried out
const _observed: Denial = { kind: 'deny', rule: '', reason: '', hidden: true, would: undefined };
// @ts-expect-error a question to the caller has to be redacted like an answer
const _askedRaw: Outcome = { kind: 'awaiting', answer: { kind: 'result', text } };
// @ts-expect-error what was found is counted, never quoted
plane.audit.open(arrival).found('out', [{ name: 'email', value: 'ana@example.com' }]);
// @ts-expect-error text that was not redacted cannot leave
const _leak: Outcome = { kind: 'answered', answer: { kind: 'result', text }, opened: undefined };
// @ts-expect-error nor reach a stream
call.outlet.send(text);
// @ts-expect-error a string is not checked JSON
const _unchecked: JsonText = '{}';
// @ts-expect-error orders are never edited
plane.orders.current().version = 'x';
