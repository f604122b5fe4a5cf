/**
 * How a client or a server talks. `legacy`: it begins with `initialize` and holds a session (2024-11-05 to 2025-11-25).
 * `modern`: every request says everything about itself (2026-07-28).
 */
export type Era = 'legacy' | 'modern';
